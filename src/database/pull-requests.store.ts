import type { PrismaClient } from './generated/client.js';

/** Workspaces of all organizations for which a pull request is to be opened or told of more, as the sweep finds them: whatever became of their jobs. */
export class PullRequestsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** In the words of the index workspace_pull_request_due, and of `isDue` (triggers/pull-requests/own-pull.ts). */
  due(limit: number): Promise<{ organizationId: string; workspaceId: string }[]> {
    return this.#client.$queryRaw`
      select organization_id as "organizationId", id as "workspaceId" from workspace
       where pull_request #>> '{own,state}' in ('wanted', 'open')
         and (pull_request #>> '{own,told}') is distinct from (pull_request #>> '{own,commit}')
       order by id limit ${limit}`;
  }

  /** Those that waited for an installation that is not suspended any more. In the words of the index workspace_pull_request_suspended. */
  back(limit: number): Promise<{ organizationId: string; workspaceId: string }[]> {
    return this.#client.$queryRaw`
      select organization_id as "organizationId", id as "workspaceId" from workspace
       where pull_request #>> '{own,state}' = 'suspended'
         and exists (select 1 from github_installation i
                      where i.organization_id = workspace.organization_id and i.suspended_at is null
                        and i.installation_id = pull_request #>> '{own,waitsFor}')
       order by id limit ${limit}`;
  }
}
