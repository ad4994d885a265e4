import { Injectable } from '@nestjs/common';
import { GithubUsers, saidBy } from '../../../credentials/index.js';
import { PublicUrl } from '../../../http/index.js';
import type { ExternalPerson } from '../../../identity/index.js';
import { BerthError } from '../../../kernel/index.js';
import { AccountSystems, type AccountSystem } from '../../accounts/account-systems.js';

/** How somebody proves who they are at GitHub: by their own authorization, and by the number that comes back. */
@Injectable()
export class GithubAccounts implements AccountSystem {
  constructor(
    private readonly users: GithubUsers,
    private readonly publicUrl: PublicUrl,
    systems: AccountSystems,
  ) {
    systems.at('github', this);
  }

  authorizationUrl(state: string, verifier: string): Promise<string> {
    const redirectUrl = `${this.publicUrl.url}/oauth/github/callback`;
    return this.users.authorizationUrl({ redirectUrl, state, verifier });
  }

  async identify(_organizationId: string, code: string, verifier: string): Promise<ExternalPerson> {
    const self = await this.users.with(code, verifier, (token) =>
      this.users.self(token).catch((error: unknown) => {
        throw new BerthError('login-refused', `${saidBy(error)}. Nothing was connected; begin again.`);
      }),
    );
    const { id: externalId, login: handle, name, verifiedEmails } = self;
    const [email = null] = verifiedEmails;
    const system = 'github';
    return {
      system,
      externalId,
      handle,
      name,
      email,
      emailProven: email !== null,
      isApp: false,
      isActive: true,
    };
  }
}
