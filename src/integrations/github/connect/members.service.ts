import { Inject, Injectable } from '@nestjs/common';
import { GithubInstallations, saidBy } from '../../../credentials/index.js';
import { Database } from '../../../database/index.js';
import { ExternalAccounts } from '../../../identity/index.js';
import { BerthError, LOG, messageOf, type Log } from '../../../kernel/index.js';
import { MEMBERS, membersTold, type ToldMember } from './told.js';

/** A hundred people each. */
const MAX_PAGES = 50;

/** Who of an organization at GitHub is a member here, where GitHub itself says so: by an address that it verified, in a domain that it knows to be the organization's. */
@Injectable()
export class GithubMembers {
  constructor(
    private readonly installations: GithubInstallations,
    private readonly accounts: ExternalAccounts,
    private readonly database: Database,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Connects everybody whose identity is proven; the others do that themselves. Answers how many are connected. It never fails: what GitHub does not say now, a person says later. */
  async connectProven(
    organizationId: string,
    { installationId, login }: { installationId: string; login: string },
  ): Promise<number> {
    let connected = 0;
    try {
      const octokit = await this.installations.octokitFor(organizationId, installationId);
      let after: string | null = null;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const told = membersTold(await octokit.graphql(MEMBERS, { login, after }));
        for (const member of told.members) if (await this.connect(organizationId, member)) connected += 1;
        after = told.next;
        if (after === null) break;
      }
    } catch (error) {
      this.log.warn(
        { organizationId, reason: error instanceof BerthError ? error.message : saidBy(error) },
        'members could not be connected by what GitHub says of them',
      );
    }
    return connected;
  }

  private async connect(organizationId: string, { id, login, name, emails }: ToldMember): Promise<boolean> {
    for (const email of emails) {
      const person = {
        ...({ system: 'github', externalId: id, handle: login, name, email } as const),
        ...{ emailProven: true, isApp: false, isActive: true },
      };
      try {
        const found = await this.database.tenant(organizationId, (tenant) =>
          this.accounts.find(tenant, person),
        );
        if (found.outcome === 'linked') return true;
      } catch (error) {
        this.log.warn({ organizationId, reason: messageOf(error) }, 'a member could not be connected');
      }
    }
    return false;
  }
}
