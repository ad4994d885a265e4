import { Injectable } from '@nestjs/common';
import { RequestError, type Octokit } from 'octokit';
import { GithubInstallations, type RepositoryRef } from '../../credentials/index.js';
import type { Tenant } from '../../database/index.js';
import { BerthError, World } from '../../kernel/index.js';
import {
  ownPartIn,
  withOwnPart,
  type ConversationPlace,
  type HostedPull,
  type Opened,
  type PullRequestHost,
  type PullRequestPlace,
  type SuspendedPlace,
  type WantedPull,
} from '../../triggers/index.js';
import { failureOf, orMissing } from './api-failure.js';

/** As the API answers one; of a list or alone. */
interface AnsweredPull {
  number: number;
  html_url: string;
  title: string;
  state: string;
  merged_at?: string | null;
  body: string | null;
  base: { ref: string };
}

const INVALID = 422;
/** Where GitHub does not say when. */
const RETRY_SECONDS = 60;

/** Opens pull requests at GitHub, as the App. */
@Injectable()
export class GithubPullRequests implements PullRequestHost {
  constructor(
    private readonly installations: GithubInstallations,
    private readonly world: World,
  ) {}

  async placeOf(
    tenant: Tenant,
    repository: RepositoryRef,
  ): Promise<PullRequestPlace | SuspendedPlace | null> {
    const place = await this.installations.reaching(tenant, repository);
    if (place) return place;
    const suspended = await this.installations.suspendedOf(tenant, repository);
    return suspended === null ? null : { suspended };
  }

  async open(organizationId: string, place: PullRequestPlace, wanted: WantedPull): Promise<Opened> {
    try {
      const rest = await this.rest(organizationId, place);
      const found = await openFor(rest, place, wanted.head);
      if (found) return { outcome: 'open', pull: hosted(found), isNew: false };
      const base = await baseFor(rest, place, wanted.from);
      const { data } = await rest.pulls.create({
        ...ownerAndName(place),
        ...{ head: wanted.head, base, title: wanted.title, body: withOwnPart(null, wanted.body) },
        // Branch and base are in one repository; of a branch of elsewhere GitHub would refuse anything else (fork_collab).
        maintainer_can_modify: false,
        // Not idempotent: what was lost on the way is looked for, and not asked for again.
        request: { retries: 0 },
      });
      return { outcome: 'open', pull: hosted(data), isNew: true };
    } catch (error) {
      return this.notOpened(organizationId, place, wanted, error);
    }
  }

  async describe(
    organizationId: string,
    place: PullRequestPlace,
    number: number,
    part: string,
  ): Promise<HostedPull | null> {
    const rest = await this.rest(organizationId, place);
    const which = { ...ownerAndName(place), pull_number: number };
    try {
      const found = await orMissing(rest.pulls.get(which), null);
      if (!found) return null;
      const { body } = found.data;
      const pull = hosted(found.data);
      // Whose text it is that is not ours any more, or never was: people's.
      if (pull.state === 'open' && ownPartIn(body) !== null)
        await rest.pulls.update({ ...which, body: withOwnPart(body, part) });
      return pull;
    } catch (error) {
      throw this.later(error);
    }
  }

  conversationOf(
    { installationId, repositoryId, fullName }: PullRequestPlace,
    { number, url }: HostedPull,
    head: string,
  ): ConversationPlace {
    return {
      system: 'github',
      key: pullKey(repositoryId, number),
      url,
      subject: { installationId, repositoryId, fullName, number, kind: 'pull', headRef: head, isFork: false },
    };
  }

  private async rest(
    organizationId: string,
    { installationId, repositoryId }: PullRequestPlace,
  ): Promise<Octokit['rest']> {
    return (await this.installations.octokitFor(organizationId, installationId, { repositoryId })).rest;
  }

  /** What a refusal means. Sentences are ours: GitHub's repeat what was sent. */
  private async notOpened(
    organizationId: string,
    place: PullRequestPlace,
    { head }: WantedPull,
    error: unknown,
  ): Promise<Opened> {
    if (error instanceof BerthError && error.code === 'not-connected') return refusedBy(error.message);
    const failure = failureOf(error, 0, this.world.clock.now());
    if (failure.kind === 'missing')
      return refusedBy(
        'GitHub does not show Berth this repository any more. Check where its App is installed.',
      );
    if (failure.kind !== 'refused') throw this.later(error);
    if (failure.status !== INVALID)
      return refusedBy(
        'GitHub does not let Berth open a pull request here. Check the permissions of its App.',
      );
    const said = messagesOf(error);
    if (/No commits between/i.test(said)) return { outcome: 'nothing-new' };
    // Another of us was first.
    const found = /already exists/i.test(said)
      ? await openFor(await this.rest(organizationId, place), place, head)
      : null;
    if (found) return { outcome: 'open', pull: hosted(found), isNew: false };
    return refusedBy('GitHub did not take a pull request of it. Open one yourself.');
  }

  /** Of the moment: asked again by the job, and by the sweep after it. */
  private later(error: unknown): BerthError {
    if (error instanceof BerthError) return error;
    const failure = failureOf(error, 0, this.world.clock.now());
    const retryAfterSeconds = failure.kind === 'limited' ? failure.retryAfterSeconds : RETRY_SECONDS;
    return new BerthError('not-ready', 'GitHub did not answer as it should. It is asked again.', {
      cause: error,
      retryAfterSeconds,
    });
  }
}

/** The immutable name of the conversation about a pull request. */
export function pullKey(repositoryId: string, number: number): string {
  return `repository/${repositoryId}/pull/${number}`;
}

function ownerAndName({ fullName }: PullRequestPlace): { owner: string; repo: string } {
  const [owner = '', repo = ''] = fullName.split('/');
  return { owner, repo };
}

async function openFor(
  rest: Octokit['rest'],
  place: PullRequestPlace,
  head: string,
): Promise<AnsweredPull | null> {
  const { owner, repo } = ownerAndName(place);
  const { data } = await rest.pulls.list({
    owner,
    repo,
    state: 'open',
    head: `${owner}:${head}`,
    per_page: 1,
  });
  return data[0] ?? null;
}

/** What work began from, if that is a branch; else the default branch. */
async function baseFor(rest: Octokit['rest'], place: PullRequestPlace, from: string | null): Promise<string> {
  const where = ownerAndName(place);
  const found =
    from === null ? null : await orMissing(rest.repos.getBranch({ ...where, branch: from }), null);
  if (found) return found.data.name;
  return (await rest.repos.get(where)).data.default_branch;
}

function hosted({
  number,
  html_url: url,
  title,
  state,
  merged_at: mergedAt,
  base,
}: AnsweredPull): HostedPull {
  const isMerged = mergedAt !== null && mergedAt !== undefined;
  return {
    number,
    url,
    title,
    base: base.ref,
    state: isMerged ? 'merged' : state === 'open' ? 'open' : 'closed',
  };
}

function refusedBy(message: string): Opened {
  return { outcome: 'refused', message };
}

function messagesOf(error: unknown): string {
  if (!(error instanceof RequestError)) return '';
  const { data } = (error.response ?? {}) as { data?: { errors?: { message?: unknown }[] } };
  const all = [error.message, ...(data?.errors ?? []).map(({ message }) => message)];
  return all.filter((each) => typeof each === 'string').join(' ');
}
