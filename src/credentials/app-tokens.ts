import { Injectable } from '@nestjs/common';
import type { Kind } from '../contracts/index.js';
import { Database } from '../database/index.js';
import { BerthError, Secret, SharedLooks, World } from '../kernel/index.js';
import { reasonToRenew, serves } from '../oauth/index.js';
import { kinds } from './kinds.js';
import { placeOf } from './renewal/place.js';
import { Renewals } from './renewal/renewals.service.js';
import { tokensStore, type Token } from './renewal/tokens.store.js';
import { CredentialReports } from './reports.js';
import { Vault } from './vault.js';

/** The logins of Berth's own apps: for the control plane, and lent to no workspace. */
export type AppKind = Extract<Kind, 'linear_app'>;

/** A token that serves now. */
export interface AppToken {
  token: Secret;
  credentialId: string;
  generation: number;
}

/** As long as a lease waits. */
const WAIT_MS = 20_000;
const RETRY_SECONDS = 5;

interface Look {
  token: Token;
  sealed: string;
}

/** What Berth itself asks other systems with. Looked up each time, and renewed as leased logins are: by one call for however many ask. */
@Injectable()
export class AppTokens {
  readonly #looks = new SharedLooks<Look>();

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly renewals: Renewals,
    private readonly reports: CredentialReports,
    private readonly world: World,
  ) {}

  /**
   * The organization's token. One that has run out or was refused is renewed first, which is waited for. Throws `not-connected` (there is none, or the other system ended it, which only a
   * person can mend) and `not-ready`.
   */
  async token(organizationId: string, kind: AppKind): Promise<AppToken> {
    const begun = performance.now();
    for (;;) {
      const { token, sealed } = await this.look(organizationId, kind);
      const { ref, generation } = token;
      const now = this.world.clock.now();
      if (serves(token, now)) {
        // It still serves, and will not for long: whoever comes then shall not have to wait.
        if (reasonToRenew(token, now)) void this.renewals.ask(organizationId, ref, generation);
        const text = await this.vault.open(sealed, placeOf(organizationId, ref));
        const { accessToken = '' } = JSON.parse(text) as Record<string, string>;
        return { token: new Secret(accessToken), credentialId: ref.credentialId, generation };
      }
      const leftMs = WAIT_MS - (performance.now() - begun);
      if (leftMs <= 0 || !(await this.renewals.answered(organizationId, token, true, leftMs)))
        throw beingRenewed(kind);
    }
  }

  /** The other system refused this generation (401): the next one is got, once, however many say so. */
  async refused(
    organizationId: string,
    { credentialId, generation }: Omit<AppToken, 'token'>,
  ): Promise<void> {
    const report = { credentialId, generation, status: 401, errorType: null };
    await this.database.tenant(organizationId, (tenant) =>
      this.reports.take(tenant, 'refused', report, credentialId),
    );
  }

  /** One for a crowd that asks at the same moment: each has begun something that wants a sign of life. */
  private look(organizationId: string, kind: AppKind): Promise<Look> {
    return this.#looks.take(`${organizationId}/${kind}`, () => this.find(organizationId, kind));
  }

  private async find(organizationId: string, kind: AppKind): Promise<Look> {
    // Apart: what it decides by must be committed, and it waits longer than a transaction may.
    const found = await this.database.apart(organizationId, (tenant) =>
      tokensStore.ofOrganization(tenant, kind),
    );
    if (!found)
      throw new BerthError('not-connected', `There is no ${kinds[kind].title} here. Connect it first.`);
    if (found.token.status === 'rejected') throw ended(kind, found.lastError);
    return found;
  }
}

function ended(kind: AppKind, reason: string | null): BerthError {
  const said = reason ? ` (${reason})` : '';
  return new BerthError(
    'not-connected',
    `The ${kinds[kind].title} was ended${said}. An admin connects it again.`,
  );
}

function beingRenewed(kind: AppKind): BerthError {
  return new BerthError('not-ready', `The ${kinds[kind].title} is being renewed. Ask again.`, {
    retryAfterSeconds: RETRY_SECONDS,
  });
}
