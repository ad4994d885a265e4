import { Injectable } from '@nestjs/common';
import { RequestError } from 'octokit';
import { z } from 'zod';
import { GithubApp, GithubInstallations, saidBy } from '../../../credentials/index.js';
import { Database, type Tenant } from '../../../database/index.js';
import { BerthError } from '../../../kernel/index.js';
import type { NamedRepository } from '../../../triggers/index.js';

/** Larger ones GitHub does not send along (1 MB). A folder, a link or a submodule is no file. */
const fileSchema = z.object({ type: z.literal('file'), encoding: z.literal('base64'), content: z.string() });
const RETRY_SECONDS = 30;

/** Files of repositories, as their default branch has them: what a pull request brings along says nothing here. */
@Injectable()
export class GithubFiles {
  constructor(
    private readonly app: GithubApp,
    private readonly installations: GithubInstallations,
    private readonly database: Database,
  ) {}

  /** Null where no installation reaches it. */
  async numberOf(tenant: Tenant, repository: string): Promise<string | null> {
    const fullName = githubName(repository, this.app.endpoints.webUrl);
    if (fullName === null) return null;
    return (
      (await this.installations.reaching(tenant, { fullName, repositoryId: null }))?.repositoryId ?? null
    );
  }

  /** Null when there is no such file, or no installation reaches the repository. Throws `not-ready` when GitHub cannot be asked now. */
  async read(
    organizationId: string,
    { repository, repositoryId: known }: NamedRepository,
    path: string,
  ): Promise<string | null> {
    const fullName = githubName(repository, this.app.endpoints.webUrl);
    if (fullName === null) return null;
    const reached = await this.database.tenant(organizationId, (tenant) =>
      this.installations.reaching(tenant, { fullName, repositoryId: known }),
    );
    if (!reached) return null;
    const { installationId, repositoryId } = reached;
    const [owner = '', repo = ''] = reached.fullName.split('/');
    try {
      const octokit = await this.installations.octokitFor(organizationId, installationId, { repositoryId });
      const { data } = await octokit.rest.repos.getContent({ owner, repo, path });
      const file = fileSchema.safeParse(data);
      return file.success ? Buffer.from(file.data.content, 'base64').toString('utf8') : null;
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) return null;
      if (error instanceof BerthError && error.code === 'not-connected') return null;
      throw new BerthError('not-ready', `${saidBy(error)}. Try again.`, { retryAfterSeconds: RETRY_SECONDS });
    }
  }
}

/** `owner/name` of what is at this Berth's GitHub; null for another host's, which may have one of the same name. */
export function githubName(repository: string, webUrl: string): string | null {
  const [, host = 'github.com', name] =
    /^(?:https:\/\/([^/]+)\/)?([^/]+\/[^/]+?)(?:\.git)?\/?$/i.exec(repository) ?? [];
  const isOurs = ['github.com', new URL(webUrl).host].includes(host.toLowerCase());
  return isOurs ? (name ?? null) : null;
}
