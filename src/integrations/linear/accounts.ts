import { Injectable } from '@nestjs/common';
import { ProviderLogins } from '../../credentials/index.js';
import { Database } from '../../database/index.js';
import { PublicUrl } from '../../http/index.js';
import type { ExternalPerson } from '../../identity/index.js';
import { BerthError, Secret } from '../../kernel/index.js';
import { AccountSystems, type AccountSystem } from '../accounts/account-systems.js';
import { LinearApi } from './api.js';
import { linearConnectionsStore } from './connections.store.js';
import { LinearTrouble } from './trouble.js';

/** How a person proves who they are at Linear: signed in there as themselves, to be read once. The login is ended again. */
@Injectable()
export class LinearAccounts implements AccountSystem {
  constructor(
    systems: AccountSystems,
    private readonly database: Database,
    private readonly logins: ProviderLogins,
    private readonly api: LinearApi,
    private readonly publicUrl: PublicUrl,
  ) {
    systems.at('linear', this);
  }

  authorizationUrl(state: string, verifier: string): Promise<string> {
    const { redirectUrl } = this;
    return Promise.resolve(
      this.logins.linear.authorizationUrl({ actor: 'user', redirectUrl, state, verifier }),
    );
  }

  async identify(organizationId: string, code: string, verifier: string): Promise<ExternalPerson> {
    const grant = await this.logins.linear.exchange(code, verifier, this.redirectUrl);
    if (grant.outcome !== 'granted') throw new BerthError('login-refused', `${grant.reason}. Begin again.`);
    const token = new Secret(grant.value.credential.secret.accessToken ?? '');
    try {
      const { viewer, organization } = await this.api.identity(token).catch((error: unknown) => {
        throw error instanceof LinearTrouble
          ? new BerthError('login-refused', `${error.message}. Nothing was connected; begin again.`)
          : error;
      });
      const row = await this.database.tenant(organizationId, (tenant) => linearConnectionsStore.find(tenant));
      // Each Linear organization has ids of its own for the same person: this one would never be heard of.
      if (row && row.linearOrganizationId !== organization.id)
        throw new BerthError(
          'login-refused',
          `That is ${organization.name} at Linear, and work here comes from ${row.name}. Begin again, and choose that one.`,
        );
      return {
        ...{ system: 'linear', externalId: viewer.id, handle: viewer.displayName, name: viewer.name },
        ...{ email: viewer.email, emailProven: true, isApp: viewer.app, isActive: viewer.active },
      };
    } finally {
      await this.logins.linear.revoke(token);
    }
  }

  private get redirectUrl(): string {
    return `${this.publicUrl.url}/oauth/linear/callback`;
  }
}
