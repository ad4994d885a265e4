import { Injectable } from '@nestjs/common';
import { GithubApp, GithubInstallations } from '../../credentials/index.js';
import { Database, type Tenant } from '../../database/index.js';
import type { Bot } from './heard.js';
import { GithubPlace } from './place.js';

/** Which repository, through which installation. */
export interface GithubAt {
  installationId: string;
  repositoryId: string;
  fullName: string;
}

/** How GitHub is reached for an organization. */
@Injectable()
export class GithubReach {
  constructor(
    private readonly app: GithubApp,
    private readonly installations: GithubInstallations,
    private readonly database: Database,
  ) {}

  /** Null: this Berth has no App. Asked each time: it may have been made a moment ago, by another process. */
  async bot(): Promise<Bot | null> {
    const facts = await this.app.facts();
    return facts && { slug: facts.slug, appId: facts.appId };
  }

  /** Whether the installation is the organization's and not suspended. Nobody changes that until the transaction ends. */
  isLiving(tenant: Tenant, installationId: string): Promise<boolean> {
    return this.installations.isLiving(tenant, installationId);
  }

  /**
   * With a token for this repository alone, under the name it has by now: it may have been renamed or given away since it was told of. `saying`: replies have a budget of their own, in the rows
   * (triggers/replies/budget.ts), and in the client they would wait for each other until they are given up and tried again, when they wait still. Throws `not-connected` where the installation is
   * not the organization's any more, or is suspended.
   */
  async placeOf(
    organizationId: string,
    at: GithubAt,
    bot: Bot,
    saying?: { signal: AbortSignal },
  ): Promise<GithubPlace> {
    const { repositoryId } = at;
    const now = await this.database.apart(organizationId, (tenant) =>
      this.installations.reaching(tenant, at),
    );
    const { installationId, fullName } = now ?? at;
    const octokit = await this.installations.octokitFor(organizationId, installationId, {
      repositoryId,
      isPaced: !saying,
    });
    return new GithubPlace(octokit, { repositoryId, fullName }, bot, saying?.signal);
  }
}
