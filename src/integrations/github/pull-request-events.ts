import { z } from 'zod';
import type { Database } from '../../database/index.js';
import type { PullRequests } from '../../triggers/index.js';
import type { GithubDelivery } from './github-events.js';
import { pullKey } from './pull-requests.js';

const id = z.int().positive().transform(String);

/** What is read of an event about a pull request as such. */
const schema = z.object({
  repository: z.object({ id }),
  pull_request: z.object({ number: z.int(), merged: z.boolean().nullish() }),
});

/** Keeps how it stands with pull requests that Berth opened: people closed one, merged it, or opened it again. */
export async function pullRequestMoved(
  { organizationId, action, body }: GithubDelivery,
  database: Database,
  pulls: PullRequests,
): Promise<string> {
  if (action !== 'closed' && action !== 'reopened') return 'ignored-action';
  const parsed = schema.safeParse(body);
  if (!parsed.success) return 'ignored-malformed';
  const { repository, pull_request: pull } = parsed.data;
  const state = action === 'reopened' ? 'open' : pull.merged === true ? 'merged' : 'closed';
  const key = pullKey(repository.id, pull.number);
  const workspaceId = await database.tenant(organizationId, (tenant) =>
    pulls.moved(tenant, key, pull.number, state),
  );
  if (workspaceId === null) return 'ignored-pull-request';
  return state === 'open' ? 'pull-request-reopened' : `pull-request-${state}`;
}
