import type { OrderRepositories } from '../../triggers/index.js';
import type { LinearApi } from './api.js';
import { SUGGESTIONS, suggestionsSchema } from './operations.js';
import { linearSubjectSchema } from './subject.js';

const GITHUB = 'github.com';

interface Candidate {
  repository: string;
  repositoryFullName: string;
  hostname: string;
}

/** `owner/name` is GitHub's; an address says where it is. Null for what is no repository's. */
function candidateOf(repository: string): Candidate | null {
  if (/^[\w.-]+\/[\w.-]+$/.test(repository))
    return { repository, repositoryFullName: repository, hostname: GITHUB };
  if (!URL.canParse(repository)) return null;
  const { hostname, pathname } = new URL(repository);
  return { repository, repositoryFullName: pathname.slice(1).replace(/\.git$/, ''), hostname };
}

/** Puts first what Linear takes for likely. It is asked for an order, and for nothing that is not there already. */
export function bySuggestion(api: Pick<LinearApi, 'ask'>): OrderRepositories {
  return async (organizationId, issue, repositories) => {
    const subject = linearSubjectSchema.safeParse(issue);
    if (!subject.success) return repositories;
    const candidates = repositories.flatMap((repository) => candidateOf(repository) ?? []);
    const answer = await api.ask(organizationId, SUGGESTIONS, {
      issue: subject.data.issueId,
      session: subject.data.sessionId,
      candidates: candidates.map(({ repositoryFullName, hostname }) => ({ repositoryFullName, hostname })),
    });
    const { suggestions } = suggestionsSchema.parse(answer).issueRepositorySuggestions;
    return suggestions
      .sort((one, other) => other.confidence - one.confidence)
      .flatMap(
        ({ repositoryFullName, hostname }) =>
          candidates.find(
            (each) =>
              each.repositoryFullName === repositoryFullName && each.hostname === (hostname ?? each.hostname),
          )?.repository ?? [],
      );
  };
}
