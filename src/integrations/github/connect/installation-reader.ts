import { Injectable } from '@nestjs/common';
import { RequestError } from 'octokit';
import {
  GithubApp,
  GithubInstallations,
  saidBy,
  type GithubSelf,
  type InstallationFacts,
  type RepositoryFacts,
} from '../../../credentials/index.js';
import { BerthError, type Secret } from '../../../kernel/index.js';
import { refused } from './refused.js';
import { installationTold, repositoryTold } from './told.js';

/** Asks GitHub what is so of an installation. */
@Injectable()
export class InstallationReader {
  constructor(
    private readonly app: GithubApp,
    private readonly installations: GithubInstallations,
  ) {}

  /** Whether GitHub lists it for this very person. */
  async listsFor(token: Secret, installationId: string): Promise<boolean> {
    const octokit = this.app.octokitAs(token, 'people');
    const listed = await octokit.paginate('GET /user/installations', { per_page: 100 });
    return listed.some(({ id }) => String(id) === installationId);
  }

  /** What a person is in the account that it is of; null where they are nothing, or the App may not read that. Throws `login-refused`. */
  async roleIn({ installationId, accountLogin }: InstallationFacts, { login }: GithubSelf) {
    const octokit = this.installations.octokitBeforeTie(installationId);
    try {
      const { data } = await octokit.rest.orgs.getMembershipForUser({ org: accountLogin, username: login });
      return data.state === 'active' ? data.role : null;
    } catch (error) {
      if (error instanceof RequestError && [403, 404].includes(error.status)) return null;
      throw refused(saidBy(error));
    }
  }

  /** Null when GitHub does not know it. Throws `not-ready`. */
  async factsOf(installationId: string): Promise<InstallationFacts | null> {
    const octokit = await this.app.octokit();
    try {
      const answer = await octokit.request('GET /app/installations/{installation_id}', {
        installation_id: Number(installationId),
      });
      return installationTold(answer.data);
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) return null;
      throw new BerthError('not-ready', `${saidBy(error)}. Try again.`, { retryAfterSeconds: 30 });
    }
  }

  /** All that it reaches. Throws `not-ready`. */
  async repositoriesOf(installationId: string): Promise<RepositoryFacts[]> {
    const octokit = this.installations.octokitBeforeTie(installationId);
    try {
      const all = await octokit.paginate('GET /installation/repositories', { per_page: 100 });
      return all.map((one) => repositoryTold(one));
    } catch (error) {
      throw new BerthError('not-ready', `${saidBy(error)}. Try again.`, { retryAfterSeconds: 30 });
    }
  }
}
