import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import type { CredentialView, Lease } from '../../src/contracts/index.js';
import { toBerthError } from '../../src/app/problem.js';
import { CredentialsService, Vault } from '../../src/credentials/index.js';
import { toAll } from '../../src/credentials/testing/terms.js';
import { loginEndpoints, startTestApp, type TestApp, type TestOrganization } from './app.js';
import { eventually } from './eventually.js';
import { getTokensFrom } from './login-ground.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { TestRedis } from './redis.js';
import { ASK_SECONDS, BOUND_SECONDS, stepFacts, type Cell, type Step } from './renewal-faults.js';
import { RenewingProcess, type RenewingOptions, type Told } from './renewing-process.js';
import { writeWorkspaces } from './rows.js';
import { startSplitter, type Splitter } from './splitter.js';

const API_KEY = { apiKey: `sk-ant-api03-${'x'.repeat(40)}` };
const REFRESH = { grant: 'refresh_token' };

/** A whole Berth in this process, which survives, and around it everything that can be taken away from a renewal that another process carries out. */
export class FaultGround {
  readonly #processes: RenewingProcess[] = [];
  /** Few, whoever looks: one server has a hundred connections for all. */
  readonly #owner: Pool;
  #graceSeconds = 0;
  #renewals = 0;
  #brought: Promise<void> = Promise.resolve();

  private constructor(
    readonly claude: AnthropicEmulator,
    readonly redis: TestRedis,
    /** The ways to Postgres and to the provider, of all processes. */
    readonly postgres: Splitter,
    readonly upstream: Splitter,
    readonly app: TestApp,
    private readonly options: Omit<RenewingOptions, 'graceSeconds'>,
  ) {
    this.#owner = new Pool({ connectionString: app.database.ownerUrl, max: 4 });
    // A connection that a fault ends while nobody asks anything.
    this.#owner.on('error', () => undefined);
  }

  static async start(): Promise<FaultGround> {
    const [claude, redis, database] = await Promise.all([
      startAnthropicEmulator(),
      TestRedis.start(),
      createTestDatabase(),
    ]);
    const postgres = await startSplitter([portOf(database.ownerUrl)]);
    const upstream = await startSplitter([portOf(claude.url)]);
    const endpoints = loginEndpoints({ claude: upstream.url });
    const key = randomBytes(32);
    const through = throughPort(database, postgres.port);
    const app = await startTestApp({
      worker: true,
      redisUrl: redis.url,
      database: through,
      parts: { loginEndpoints: endpoints, vault: new Vault([{ id: 'test-key', key }]) },
    });
    const { appUrl, systemUrl, queueUrl } = through;
    return new FaultGround(claude, redis, postgres, upstream, app, {
      database: { appUrl, systemUrl, queueUrl },
      redisUrl: redis.url,
      key: { id: 'test-key', base64: key.toString('base64') },
      claude: endpoints.claude,
    });
  }

  /** For how long the provider answers a spent refresh token again, and Berth takes it to: from now on, in this process and those started from now on. */
  set graceSeconds(seconds: number) {
    this.#graceSeconds = seconds;
    this.claude.logins.configure({ graceSeconds: seconds });
    getTokensFrom(this.app, (source) => ({
      graceSeconds: seconds,
      renew: (request) => source.renew(request),
    }));
  }

  async process(): Promise<RenewingProcess> {
    const process = await RenewingProcess.start({
      ...this.options,
      graceSeconds: this.#graceSeconds,
    });
    this.#processes.push(process);
    return process;
  }

  /** A member of an organization of its own, whose login has just run out and whose API key may take its place; and a workspace that used the login. */
  async runOut(): Promise<HurtRenewal> {
    const organization = await this.app.founded(`acme-${++this.#renewals}`);
    const { owner, id: organizationId } = organization;
    const { lineage, accessToken, refreshToken, expiresAt } = this.claude.logins.issue();
    const { body: login } = await owner.api.call<CredentialView>(
      'PUT',
      owner.api.path('/credentials/user/claude_oauth'),
      { accessToken, refreshToken, expiresAt: expiresAt.toISOString() },
      200,
    );
    await owner.api.setCredential('user', 'anthropic_api_key', API_KEY);
    const [workspaceId = ''] = await writeWorkspaces(
      this.app.database.ownerUrl,
      organizationId,
      owner.userId,
      1,
    );
    const told = { organizationId, credentialId: login.id, generation: login.generation };
    const renewal = new HurtRenewal(this, organization, told, lineage, workspaceId);
    await renewal.lease();
    await this.sql(
      `UPDATE credential SET expires_at = now(), renew_at = now() - interval '1 minute' WHERE id = $1`,
      [login.id],
    );
    return renewal;
  }

  /** Has the process renew it, up to a place where it stands or is held. One after the other, so that the provider holds whom it is to hold. */
  async bringTo(step: Step, renewal: HurtRenewal, process: RenewingProcess): Promise<void> {
    const bring = this.#brought.then(() => this.bring(step, renewal, process));
    this.#brought = bring.catch(() => undefined);
    return bring;
  }

  private async bring(step: Step, renewal: HurtRenewal, process: RenewingProcess): Promise<void> {
    const { at } = stepFacts[step];
    if ('point' in at) return process.renew(renewal.told, at.point);
    const asked = this.claude.logins.calls.length;
    this.claude.fail({ mode: at.mode, match: REFRESH });
    await process.renew(renewal.told, null);
    await eventually('the provider holds the call', () => this.claude.logins.calls.length > asked);
  }

  /** Lets go on whoever stands still, and answers whom the provider holds. */
  letGo(processes: readonly RenewingProcess[]): void {
    for (const process of processes) process.goOn();
    this.claude.logins.release(this.claude.logins.held);
  }

  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#owner.query<Record<string, unknown>>(text, values)).rows;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await this.#owner.end();
    await this.app.close();
    await Promise.all([this.postgres.close(), this.upstream.close(), this.claude.close()]);
    await this.redis.remove();
  }
}

/** What came of waiting for a lease, as a proxy waits. */
export interface Waited {
  lease: Lease;
  /** When it came, by `performance.now()`. */
  at: number;
  /** How long the slowest of its requests took. */
  slowestMs: number;
  /** How often it was told to ask again. */
  again: number;
}

/** One login whose renewal is hurt, and what came of it. */
export class HurtRenewal {
  constructor(
    private readonly ground: FaultGround,
    private readonly organization: TestOrganization,
    readonly told: Told,
    private readonly lineage: string,
    private readonly workspaceId: string,
  ) {}

  /** One request for a lease, as the gateway makes it. */
  lease(): Promise<Lease> {
    const { id: organizationId, owner } = this.organization;
    const member = { organizationId, userId: owner.userId, agent: 'claude' as const };
    return this.ground.app.app
      .get(CredentialsService, { strict: false })
      .lease(member, this.workspaceId, { admissions: toAll });
  }

  /** Asks until there is a lease, whenever it is told to ask again. Throws when it is told anything else. */
  async waits(): Promise<Waited> {
    let slowestMs = 0;
    for (let again = 0; ; again++) {
      const begun = performance.now();
      const answer = await this.lease().catch(toBerthError);
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      if (!(answer instanceof Error)) return { lease: answer, at: performance.now(), slowestMs, again };
      const { status, retryAfterSeconds } = answer;
      if (status !== 503 || retryAfterSeconds === undefined) throw answer;
      await delay(Math.min(retryAfterSeconds, 1) * 1000);
    }
  }

  /**
   * What is not as the cell says, once all is over; nothing when it holds. `since`: the fault, or its end, by `performance.now()`; `over`: when whoever was stopped went on.
   */
  async breaches(cell: Cell, waited: Waited, since: number, over = since): Promise<string[]> {
    const found: string[] = [];
    const secondsWaited = (waited.at - since) / 1000;
    const expect = (holds: boolean, breach: string): void => {
      if (!holds) found.push(breach);
    };
    expect(waited.slowestMs <= ASK_SECONDS * 1000, `one request took ${Math.round(waited.slowestMs)} ms`);
    expect(
      secondsWaited <= BOUND_SECONDS,
      `who waited had an answer only after ${secondsWaited.toFixed(1)} s`,
    );
    const got = this.isToken(waited.lease) ? 'token' : 'fallback';
    expect(got === cell.waiterGets, `who waited got the ${got}`);
    if (got === 'token') expect(this.isHonored(waited.lease), 'the provider does not honor what was leased');
    expect(...(await this.end(cell, over)));
    // Whoever asks from now on changes nothing about that.
    const last = await this.lease();
    if (cell.ending === 'goes on') expect(this.isHonored(last), 'the provider does not honor what is stored');
    else expect(!this.isToken(last), 'a login that may be lost was leased');
    const { exchanges, replays = 0 } = cell;
    const right = [...Array<string>(exchanges).fill('renewed'), ...Array<string>(replays).fill('replayed')];
    const did = this.outcomes.sort().join();
    expect(did === right.sort().join(), `the provider was asked: ${did || 'never'}`);
    return found;
  }

  /** What the provider did about this login, by its own book. */
  get outcomes(): string[] {
    return this.ground.claude.logins.calls
      .filter(({ lineage }) => lineage === this.lineage)
      .map(({ outcome }) => outcome);
  }

  /** The row's end, and that people can know of it. */
  private async end({ ending }: Cell, since: number): Promise<[boolean, string]> {
    const { generation, credentialId } = this.told;
    let seen = '';
    const isThere = async (): Promise<boolean> => {
      const [row] = await this.ground.sql(
        `SELECT status, generation, last_error, (SELECT count(*)::int FROM credential_rotation WHERE credential_id = c.id AND state = 'open') AS open,
                (SELECT count(*)::int FROM audit_entry WHERE subject_id = c.id::text AND action = 'credential.rejected') AS booked,
                (SELECT count(*)::int FROM event WHERE workspace_id = $2 AND type = 'credential.state') AS told
           FROM credential c WHERE id = $1`,
        [credentialId, this.workspaceId],
      );
      seen = JSON.stringify(row);
      if (row?.open !== 0) return false;
      if (ending === 'goes on') return row.status === 'active' && row.generation === generation + 1;
      return (
        row.status === 'rejected' &&
        String(row.last_error).includes('reconnect it') &&
        row.booked === 1 &&
        row.told === 1
      );
    };
    const secondsLeft = BOUND_SECONDS - (performance.now() - since) / 1000;
    const holds = await eventually(`it ends with: ${ending}`, isThere, secondsLeft).then(
      () => true,
      () => false,
    );
    return [holds, `it does not end with "${ending}": ${seen}`];
  }

  private isToken({ credentialId }: Lease): boolean {
    return credentialId === this.told.credentialId;
  }

  private isHonored({ secret }: Lease): boolean {
    return 'token' in secret && this.ground.claude.logins.book.stateOf(secret.token)?.state === 'living';
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** The same database by another way; its owner, which only the test is, goes straight. */
function throughPort(database: TestDatabase, port: number): TestDatabase {
  const through = (url: string): string => Object.assign(new URL(url), { port: String(port) }).toString();
  const { appUrl, systemUrl, queueUrl } = database;
  return {
    ...database,
    appUrl: through(appUrl),
    systemUrl: through(systemUrl),
    queueUrl: through(queueUrl),
  };
}
