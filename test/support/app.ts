import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Client } from 'pg';
import 'reflect-metadata';
import { AppModule, type Parts } from '../../src/app/app.module.js';
import { EdgeServer, type ServerLimits } from '../../src/app/edge-server.js';
import { prepareEdge, serveAssets } from '../../src/app/edge.js';
import { NestLog } from '../../src/app/nest-log.js';
import { PublicUrl } from '../../src/http/index.js';
import { RequestLimits } from '../../src/app/limits/request-limits.js';
import { Readiness } from '../../src/app/readiness.js';
import { openWires, type Wires } from '../../src/app/wires.js';
import type { Role } from '../../src/contracts/index.js';
import {
  CredentialPolicy,
  FederationSettings,
  LoginEndpoints,
  Vault,
  type GithubEndpoints,
} from '../../src/credentials/index.js';
import { Database, SystemStore } from '../../src/database/index.js';
import { WorkspaceFeed } from '../../src/events/index.js';
import { newApiKey } from '../../src/identity/api-key.js';
import { SetupToken } from '../../src/identity/index.js';
import {
  noTracer,
  Secret,
  silentLog,
  systemClock,
  systemIds,
  World,
  type Clock,
  type Log,
} from '../../src/kernel/index.js';
import { JobWorker, PATIENT_QUEUE, queueOf } from '../../src/queue/index.js';
import { FakeRuntime } from '../../src/runtime/testing/fake-runtime.js';
import { PrometheusMetrics } from '../../src/telemetry/index.js';
import { PriceList } from '../../src/usage/index.js';
import { WorkspaceSettings } from '../../src/workspaces/index.js';
import type { GithubEmulator } from '../emulators/github.js';
import type { LinearEmulator } from '../emulators/linear.js';
import { Api } from './api.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { withClient } from './tables.js';

export interface TestAppOptions {
  clock?: Clock;
  log?: Log;
  /** Runs queued jobs. Without it they stay queued, and a test calls what it means to test. */
  worker?: boolean;
  /** A Redis for queue and notices; without it both are on Postgres. */
  redisUrl?: string | undefined;
  /** Where `owner/name` leads; by default to the real one. */
  githubUrl?: string;
  /** How long callers may take; the usual ones are too long to wait for in a test. */
  limits?: ServerLimits;
  /** A database that is there, in place of a fresh one; it is dropped at the end all the same. */
  database?: TestDatabase;
  /** Another replica: on the database, key ring and setup token of that one. Close it before that one. */
  beside?: TestApp;
  /** Parts in place of the usual ones. */
  parts?: Partial<Parts>;
}

/** A person in an organization, with a key of their own. `api` calls as them. */
export interface TestMember {
  userId: string;
  name: string;
  email: string;
  role: Role;
  apiKeyId: string;
  apiKey: string;
  api: Api;
}

export interface TestOrganization {
  id: string;
  slug: string;
  owner: TestMember;
}

/** The real app, in this process: real Postgres, queue and HTTP; a runtime in memory. */
export interface TestApp {
  url: string;
  setupToken: string;
  app: NestExpressApplication;
  parts: Parts;
  database: TestDatabase;
  runtime: FakeRuntime;
  world: World;
  /** Calls with this key (null: none), on this organization. */
  api(apiKey: string | null, organization?: string): Api;
  /** A further organization with an owner; written directly, so it needs no set-up. */
  founded(slug: string): Promise<TestOrganization>;
  /** A further person in an organization; written directly. */
  member(organization: { id: string; slug: string }, role: Role): Promise<TestMember>;
  close(): Promise<void>;
}

/** Starts the app on a fresh database and a free port. Nobody is set up: begin with `founded` or with POST /api/v1/setup. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.beside?.database ?? options.database ?? (await createTestDatabase());
  const world = new World(options.clock ?? systemClock, systemIds, randomBytes);
  const runtime = new FakeRuntime();
  let url = 'http://127.0.0.1:0';
  const log = options.log ?? silentLog;
  const system = new SystemStore(database.systemUrl);
  const wires = await openWires(options.redisUrl, { ...database, system }, log);
  const parts = makeParts({ database, world, runtime, log, system, wires, url: () => url }, options);
  await parts.feed.open();
  const api = (apiKey: string | null, organization = ''): Api => new Api(url, apiKey, organization);
  const write = new People(database.ownerUrl, world, api);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.with(parts),
    new EdgeServer(options.limits),
    { bodyParser: false, logger: new NestLog(parts.log) },
  );
  prepareEdge(app, { ...parts, ids: world.ids });
  serveAssets(app);
  await app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  await runtime.open();
  await write.host(runtime.hostId);
  if (options.worker) {
    app.get(JobWorker).start();
    app.get(JobWorker).start(PATIENT_QUEUE);
    app.get(JobWorker).start(queueOf(runtime.hostId));
  }
  return {
    url,
    setupToken: parts.setupToken.text,
    app,
    parts,
    database,
    runtime,
    world,
    api,
    founded: (slug) => write.founded(slug),
    member: (organization, role) => write.member(organization, role),
    close: async () => {
      // As compose.ts does it: first no new work, then the waiting ends, then the server, then the database.
      await app.get(JobWorker).stop();
      await parts.feed.close();
      await app.close();
      await Promise.all([parts.database.close(), parts.system.close(), wires.close()]);
      if (!options.beside) await database.drop();
    },
  };
}

interface Opened {
  database: TestDatabase;
  world: World;
  runtime: FakeRuntime;
  log: Log;
  system: SystemStore;
  wires: Wires;
  url: () => string;
}

function makeParts(
  { database, world, runtime, log, system, wires, url }: Opened,
  options: TestAppOptions,
): Parts {
  const readiness = new Readiness();
  readiness.isOpen = true;
  // Nothing is there: it only is the one folder that is no repository.
  const dataDirectory = path.join(tmpdir(), 'berth-test-app-data');
  const repositories = {
    githubUrl: options.githubUrl ?? 'https://github.com',
    fileRoots: null,
    dataDirectory,
  };
  const models = { claude: 'claude-test', codex: 'codex-test' };
  const sweepSeconds = 3600;
  const hostLostSeconds = 300;
  const metrics = new PrometheusMetrics(log);
  return {
    log,
    metrics,
    tracer: noTracer,
    world,
    system,
    database: new Database(database.appUrl, wires.tell, metrics),
    queue: wires.queue,
    feed: new WorkspaceFeed(wires.notices, undefined, metrics),
    vault: options.beside?.parts.vault ?? new Vault([{ id: 'test-key', key: randomBytes(32) }]),
    runtime,
    setupToken: options.beside?.parts.setupToken ?? new SetupToken(randomBytes(16).toString('hex')),
    credentialPolicy: new CredentialPolicy('on'),
    loginEndpoints: options.beside?.parts.loginEndpoints ?? loginEndpoints(),
    federation: federation(),
    workspaceSettings: new WorkspaceSettings(repositories, models, sweepSeconds, hostLostSeconds),
    publicUrl: new PublicUrl(url),
    prices: PriceList.builtIn(),
    requestLimits: new RequestLimits(),
    readiness,
    ...options.parts,
  };
}

/** Where logins are made and renewed: at emulators, or (without them) at nobody. */
export function loginEndpoints({
  claude = NOWHERE,
  openai = NOWHERE,
  linear = null as LinearEmulator | null,
  github = null as GithubEmulator | null,
} = {}): LoginEndpoints {
  return new LoginEndpoints(
    {
      authorizeUrl: `${claude}/oauth/authorize`,
      tokenUrl: `${claude}/v1/oauth/token`,
      redirectUrl: `${claude}/oauth/code/callback`,
      clientId: 'client-of-the-test',
      scopes: 'user:profile user:inference',
    },
    { authUrl: openai, clientId: 'client-of-the-test' },
    { apiUrl: linear?.url ?? NOWHERE, authUrl: linear?.url ?? NOWHERE, app: linear && linearApp(linear) },
    githubEndpoints(github),
  );
}

/** GitHub, with the one App that is there as Berth's; with none, one is yet to be made. */
function githubEndpoints(github: GithubEmulator | null): GithubEndpoints {
  const [app] = github?.world.apps.values() ?? [];
  const keys = app && {
    appId: String(app.id),
    slug: app.slug,
    clientId: app.clientId,
    clientSecret: new Secret(app.clientSecret),
    webhookSecret: app.webhookSecret === null ? null : new Secret(app.webhookSecret),
    privateKey: new Secret(app.pem),
  };
  return {
    webUrl: github?.url ?? NOWHERE,
    apiUrl: github?.apiUrl ?? NOWHERE,
    app: keys ?? null,
    paced: false,
  };
}

/** The app as which Berth is known to an emulated Linear. */
function linearApp({ app }: LinearEmulator) {
  const { clientId, clientSecret, webhookSecret } = app;
  return { clientId, clientSecret: new Secret(clientSecret), webhookSecret: new Secret(webhookSecret) };
}

/** Where workspaces' own tokens come from: an emulator, or nobody. */
export function federation(anthropic = NOWHERE, keyDays = 0): FederationSettings {
  return new FederationSettings(`${anthropic}/v1/oauth/token`, 'https://api.anthropic.com', keyDays);
}

/** The port for discarding: nobody listens. */
const NOWHERE = 'http://127.0.0.1:9';

/** Writes people, organizations and hosts as the owner of the database, past the API. */
class People {
  constructor(
    private readonly ownerUrl: string,
    private readonly world: World,
    private readonly api: TestApp['api'],
  ) {}

  founded(slug: string): Promise<TestOrganization> {
    const id = this.world.ids.next();
    const created_at = this.world.clock.now();
    // Tests ask for more, and faster, than any team does.
    const limits = { max_workspaces: 100_000, max_running: 100_000, max_requests_per_second: 100_000 };
    return withClient(this.ownerUrl, async (client) => {
      await insert(client, 'organization', { id, slug, name: slug, ...limits, created_at });
      return { id, slug, owner: await this.memberBy(client, { id, slug }, 'owner') };
    });
  }

  member(organization: { id: string; slug: string }, role: Role): Promise<TestMember> {
    return withClient(this.ownerUrl, (client) => this.memberBy(client, organization, role));
  }

  /** The runtime's host, as a worker makes its own known. */
  async host(id: string): Promise<void> {
    // Real time: by the database's clock.
    const at = new Date();
    const row = { id, name: 'test-host', version: 'test', started_at: at, seen_at: at };
    await withClient(this.ownerUrl, (client) => insert(client, 'host', row));
  }

  private async memberBy(
    client: Client,
    { id: organizationId, slug }: { id: string; slug: string },
    role: Role,
  ): Promise<TestMember> {
    const [userId, apiKeyId] = [this.world.ids.next(), this.world.ids.next()];
    const name = `${role} of ${slug}`;
    const email = `${role}-${userId.slice(-8)}@${slug}.example`;
    const { text, prefix, hash } = newApiKey(this.world.random);
    const created_at = this.world.clock.now();
    const membership = { organization_id: organizationId, user_id: userId };
    const key = { id: apiKeyId, ...membership, name: 'test key', prefix, hash, created_at };
    await insert(client, 'user', { id: userId, email, name, created_at });
    await insert(client, 'member', { ...membership, role, created_at });
    await insert(client, 'api_key', key);
    return { userId, name, email, role, apiKeyId, apiKey: text, api: this.api(text, slug) };
  }
}

async function insert(client: Client, table: string, row: Record<string, unknown>): Promise<void> {
  const columns = Object.keys(row).join(', ');
  const places = Object.keys(row).map((_, at) => `$${at + 1}`);
  await client.query(`INSERT INTO "${table}" (${columns}) VALUES (${places.join(', ')})`, Object.values(row));
}
