import type { MappingView } from '../../contracts/index.js';

/** Where an issue stands at Linear. */
export interface IssuePlace {
  teamKey: string;
  project: string | null;
  labels: readonly string[];
  /** What somebody answered who was asked which repository. */
  chosen?: string | undefined;
}

export type Choice<Mapping extends MappingView = MappingView> =
  | { one: Mapping }
  /** Of different repositories, the one as good as the other: a person has to say. */
  | { several: Mapping[] }
  | { none: true };

/**
 * Which mapping an issue goes by. The closest to it wins: one for its label before one for its project, one for both before either, and those before the team's. Of several for the same repository
 * that are as close, the oldest.
 */
export function choose<Mapping extends MappingView>(
  mappings: readonly Mapping[],
  place: IssuePlace,
): Choice<Mapping> {
  const fitting = mappings.filter((mapping) => mapping.enabled && fits(mapping, place));
  if (fitting.length === 0) return { none: true };
  const chosen = place.chosen === undefined ? [] : fitting.filter((one) => isMeant(one, place.chosen ?? ''));
  const closest = closestOf(chosen.length > 0 ? chosen : fitting);
  const [one] = closest;
  return one && closest.length === 1 ? { one } : { several: closest };
}

function fits(
  { linearTeamKey, linearProject, label }: MappingView,
  { teamKey, project, labels }: IssuePlace,
): boolean {
  return (
    isSame(linearTeamKey, teamKey) &&
    (linearProject === null || (project !== null && isSame(linearProject, project))) &&
    (label === null || labels.some((name) => isSame(label, name)))
  );
}

/** One per repository. */
function closestOf<Mapping extends MappingView>(mappings: readonly Mapping[]): Mapping[] {
  const best = Math.max(...mappings.map(closeness));
  const byRepository = new Map<string, Mapping>();
  for (const mapping of mappings.filter((one) => closeness(one) === best)) {
    const before = byRepository.get(fold(mapping.repository));
    if (!before || mapping.id < before.id) byRepository.set(fold(mapping.repository), mapping);
  }
  return [...byRepository.values()];
}

const closeness = ({ label, linearProject }: MappingView): number =>
  (label === null ? 0 : 2) + (linearProject === null ? 0 : 1);

/** The repository as it was offered, or its name alone. */
function isMeant({ repository }: MappingView, answer: string): boolean {
  return isSame(repository, answer) || isSame(repository.split('/').at(-1) ?? '', answer);
}

const fold = (text: string): string => text.trim().toLowerCase();
const isSame = (one: string, other: string): boolean => fold(one) === fold(other);

/** The settings for work in a repository that no issue led to: what all its mappings agree on. Where both have a number it alone says whether it is the same: names change hands. */
export function mappingOfRepository<Mapping extends MappingView & { repositoryId: string | null }>(
  mappings: readonly Mapping[],
  { repository, repositoryId }: { repository: string; repositoryId: string | null },
): Mapping | null {
  const isIts = (one: Mapping): boolean =>
    repositoryId === null || one.repositoryId === null
      ? isSame(one.repository, repository)
      : one.repositoryId === repositoryId;
  const [first, ...rest] = mappings.filter((one) => one.enabled && isIts(one));
  if (!first) return null;
  const terms = ({ agent, provider, awsRegion, model }: MappingView): string =>
    JSON.stringify([agent, provider, awsRegion, model]);
  return rest.every((one) => terms(one) === terms(first)) ? first : null;
}
