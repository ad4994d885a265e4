import { Pool } from 'pg';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import type { CredentialView, Lease, RotationView } from '../../src/contracts/index.js';
import { CredentialsService } from '../../src/credentials/index.js';
import type { CredentialReport } from '../../src/credentials/index.js';
import { toAll } from '../../src/credentials/testing/terms.js';
import type { Clock } from '../../src/kernel/index.js';
import { JobQueue } from '../../src/queue/index.js';
import {
  federation,
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestAppOptions,
  type TestOrganization,
} from './app.js';
import { ProviderLogins } from '../../src/credentials/providers/sources.js';
import { TokenSources, type TokenSource } from '../../src/credentials/providers/token-source.js';
import { Renewer } from '../../src/credentials/renewal/renewer.js';
import { writeWorkspaces } from './rows.js';

/** How often the token endpoint did what, by its own book. */
export interface Exchanges {
  /** Refresh tokens that were used as they should be. */
  renewed: number;
  /** Used a second time: that ended their login. */
  reused: number;
}

/** Two replicas of a whole Berth, in this process, on one database, whose Claude logins come from one emulated provider. */
export class LoginGround {
  /** Of the database's owner. Kept: a connection of its own for each statement would take longer than what it asks. */
  readonly #owner: Pool;
  /** To which `isHonored` has the login lent. One for all: workers look after each workspace that there is. */
  #asking: Promise<string> | undefined;

  private constructor(
    readonly claude: AnthropicEmulator,
    readonly apps: [TestApp, TestApp],
    readonly organization: TestOrganization,
  ) {
    this.#owner = new Pool({ connectionString: apps[0].database.ownerUrl });
    // A connection that an outage ends while nobody asks anything.
    this.#owner.on('error', () => undefined);
  }

  /** `providerClock`: where the provider's is not Berth's own. */
  static async start(options: TestAppOptions & { providerClock?: Clock } = {}): Promise<LoginGround> {
    const clock = options.providerClock ?? options.clock;
    const claude = await startAnthropicEmulator(clock ? { clock } : {});
    const parts = {
      ...options.parts,
      loginEndpoints: loginEndpoints({ claude: claude.url }),
      federation: federation(claude.url),
    };
    const all = { worker: true, ...options };
    const one = await startTestApp({ ...all, parts });
    // One Berth, under one address.
    const { publicUrl } = one.parts;
    const two = await startTestApp({ ...all, parts: { ...parts, publicUrl }, beside: one });
    return new LoginGround(claude, [one, two], await one.founded('acme'));
  }

  get api() {
    return this.organization.owner.api;
  }

  /** A member with a login that was just connected. */
  async newLogin(scope: 'user' | 'organization' = 'user'): Promise<CredentialView> {
    const { accessToken, refreshToken, expiresAt } = this.claude.logins.issue();
    const body = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    return (await this.api.call<CredentialView>('PUT', this.path(scope), body, 200)).body;
  }

  path(scope: 'user' | 'organization' = 'user', rest = ''): string {
    return this.api.path(`/credentials/${scope}/claude_oauth${rest}`);
  }

  async shown(scope: 'user' | 'organization' = 'user'): Promise<CredentialView & { usedBy: string[] }> {
    return (await this.api.get<CredentialView & { usedBy: string[] }>(this.path(scope))).body;
  }

  /** The newest first. */
  async rotations(): Promise<RotationView[]> {
    return (await this.api.get<{ items: RotationView[] }>(this.path('user', '/rotations?limit=100'))).body
      .items;
  }

  /** The token runs out now, for Berth; the provider still takes it. */
  async runOut(): Promise<void> {
    await this.sql(
      `UPDATE credential SET expires_at = now(), renew_at = now() - interval '1 minute' WHERE kind = 'claude_oauth'`,
    );
  }

  workspaces(count: number): Promise<string[]> {
    const { id, owner } = this.organization;
    return writeWorkspaces(this.apps[0].database.ownerUrl, id, owner.userId, count);
  }

  /** A lease as the gateway takes one for a workspace, at the nth replica. */
  lease(workspaceId: string, at = 0): Promise<Lease> {
    const { id: organizationId, owner } = this.organization;
    const member = { organizationId, userId: owner.userId, agent: 'claude' as const };
    return this.credentials(at).lease(member, workspaceId, { admissions: toAll });
  }

  /** What a proxy reports of a lease, as the gateway hands it on. */
  report(
    what: 'refused' | 'denied' | 'limited',
    workspaceId: string,
    report: CredentialReport,
    at = 0,
  ): Promise<void> {
    return this.app(at).parts.database.tenant(this.organization.id, async (tenant) => {
      const { credentialId, generation } = report;
      const by = await this.credentials(at).servedBy(tenant, workspaceId, credentialId, generation);
      if (by) await this.credentials(at)[what](tenant, report, by);
    });
  }

  credentials(at = 0): CredentialsService {
    return this.app(at).app.get(CredentialsService, { strict: false });
  }

  /** What a job for this generation does, at the nth replica. */
  renew(credentialId: string, generation: number, at = 0): Promise<void> {
    const ref = { credentialId, workspaceId: null };
    return this.app(at).app.get(Renewer, { strict: false }).renew(this.organization.id, ref, generation);
  }

  app(at = 0): TestApp {
    return this.apps[at % 2 === 0 ? 0 : 1];
  }

  queue(at = 0): JobQueue {
    return this.app(at).app.get(JobQueue, { strict: false });
  }

  get exchanges(): Exchanges {
    const { logins } = this.claude;
    return {
      renewed: logins.count('renewed'),
      reused: logins.count('reused') + logins.count('ended') + logins.count('unknown'),
    };
  }

  /** True while the provider takes what the row holds: of the login that is there now. */
  async isHonored(): Promise<boolean> {
    const { secret } = await this.lease(await (this.#asking ??= this.workspaces(1).then(([id = '']) => id)));
    if (!('token' in secret)) return false;
    return this.claude.logins.book.stateOf(secret.token)?.state === 'living';
  }

  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#owner.query<Record<string, unknown>>(text, values)).rows;
  }

  /** Writes to credentials fail until the answer is called, and how often they did. */
  async breakWrites(
    table: 'credential' | 'credential_rotation' = 'credential',
  ): Promise<() => Promise<void>> {
    await this.sql(
      `CREATE FUNCTION broken_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$`,
    );
    await this.sql(
      `CREATE TRIGGER broken BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION broken_${table}()`,
    );
    return async () => {
      await this.sql(`DROP FUNCTION broken_${table} CASCADE`);
    };
  }

  async close(): Promise<void> {
    await this.#owner.end();
    await this.apps[1].close();
    await this.apps[0].close();
    await this.claude.close();
  }
}

/** Has both replicas get Claude's tokens through another source, made of the real one. */
export function getTokens(
  ground: LoginGround,
  make: (claude: ProviderLogins['claude']) => TokenSource,
): void {
  for (const app of ground.apps) getTokensFrom(app, make);
}

/** The same for one replica. */
export function getTokensFrom(
  { app }: TestApp,
  make: (claude: ProviderLogins['claude']) => TokenSource,
): void {
  app
    .get(TokenSources, { strict: false })
    .add('claude_oauth', make(app.get(ProviderLogins, { strict: false }).claude));
}
