import { createHmac, randomBytes } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { pollSeconds } from '../contracts/index.js';
import {
  checkKeyRing,
  CredentialPolicy,
  FederationSettings,
  LoginEndpoints,
  sealingKeyToBook,
  Vault,
  type RingKey,
} from '../credentials/index.js';
import {
  Database,
  openDatabase,
  openServer,
  readSealingKeys,
  type DatabaseServer,
  type OpenDatabase,
} from '../database/index.js';
import { WorkspaceFeed } from '../events/index.js';
import { PublicUrl } from '../http/index.js';
import { SetupToken } from '../identity/index.js';
import { systemClock, systemIds, World, type Log } from '../kernel/index.js';
import { openTracer, PrometheusMetrics } from '../telemetry/index.js';
import { WorkspaceSettings } from '../workspaces/index.js';
import { Address } from './address.js';
import type { CommonParts } from './app.module.js';
import type { Closing } from './closing.js';
import { tieDataDirectory } from './data-directory.js';
import { keyRingOf } from './key-file.js';
import { RequestLimits } from './limits/request-limits.js';
import { Readiness } from './readiness.js';
import { readPrices } from './prices.js';
import { openWires } from './wires.js';

/** A runner of which so many heartbeats are missing is suspected to hang. */
const POLLS_MISSED = 4;

/** What every role opens, and what it is made of. */
export interface Common {
  config: Config;
  /** Of the built program: `dist`. */
  folder: string;
  log: Log;
  closing: Closing;
  world: World;
  /** Of this build. */
  version: string;
  opened: OpenDatabase;
  address: Address;
  parts: CommonParts;
}

/** Opens what every role needs: the database, brought up to date, and the key ring, found to be the right one. */
export async function openCommon(
  config: Config,
  folder: string,
  log: Log,
  closing: Closing,
): Promise<Common> {
  const world = new World(systemClock, systemIds, randomBytes);
  const metrics = new PrometheusMetrics(log);
  const { tracer, close: closeTracer } = await openTracer(config.traceExport, 'berth', log);
  closing.add('traces', closeTracer);
  const server = await openServer(config, log);
  closing.add('database server', () => server.stop());
  const { ring, vault, opened } = await openSealed({ config, folder, log, world }, server);
  closing.add('system login', () => opened.system.close());
  const wires = await openWires(config.redisUrl, opened, log);
  closing.add('wires', () => wires.close());
  const feed = new WorkspaceFeed(wires.notices, undefined, metrics);
  await feed.open();
  // Where people are served it is closed before that, ahead of the web server; a second time does nothing.
  closing.add('feed', () => feed.close());
  const database = new Database(opened.appUrl, wires.tell, metrics);
  closing.add('database', () => database.close());
  const address = new Address(config);
  const token = config.setupToken ?? sharedSetupToken(ring, await opened.system.instanceId());
  const parts: CommonParts = {
    log,
    metrics,
    tracer,
    world,
    vault,
    database,
    system: opened.system,
    queue: wires.queue,
    feed,
    setupToken: new SetupToken(token),
    credentialPolicy: new CredentialPolicy(config.subscriptionOauth),
    loginEndpoints: new LoginEndpoints(
      config.logins.claude,
      config.logins.openai,
      config.linear,
      config.github,
    ),
    federation: new FederationSettings(
      config.federation.tokenUrl,
      config.federation.audience,
      config.federation.keyDays,
    ),
    workspaceSettings: new WorkspaceSettings(
      await repositoryPolicy(config),
      config.models,
      config.sweepSeconds,
      config.hostLostSeconds,
      POLLS_MISSED * pollSeconds(config.runtime.orphanSeconds),
    ),
    publicUrl: new PublicUrl(
      () => address.publicUrl,
      config.role !== 'worker' || config.http.publicUrl !== undefined,
    ),
    prices: await readPrices(config.pricesFile),
    requestLimits: new RequestLimits(),
    readiness: new Readiness(),
  };
  return {
    config,
    folder,
    log,
    closing,
    world,
    version: await ownVersion(folder),
    opened,
    address,
    parts,
  };
}

/** The key ring is asked before the database is changed, and kept before anything is sealed with it. */
async function openSealed(
  { config, folder, log, world }: Pick<Common, 'config' | 'folder' | 'log' | 'world'>,
  server: DatabaseServer,
): Promise<{ ring: RingKey[]; vault: Vault; opened: OpenDatabase }> {
  const given = config.encryptionKeys;
  const ring = given
    ? { keys: given, keep: () => Promise.resolve() }
    : await keyRingOf(config.dataDirectory, world.random);
  const vault = new Vault(ring.keys);
  const booked = await readSealingKeys(server.ownerUrl);
  await checkKeyRing(vault, booked);
  await ring.keep();
  const opened = await openDatabase(server, config, path.join(folder, '../prisma/migrations'), log);
  // An api has no use for the directory: what it needs is in the database and in its environment.
  if (config.role !== 'api') await tieDataDirectory(config.dataDirectory, await opened.system.instanceId());
  const toBook = await sealingKeyToBook(vault, booked, world.clock);
  if (toBook) await opened.system.bookSealingKey(toBook);
  return { ring: ring.keys, vault, opened };
}

/** The same for every replica, so that the link one of them prints opens at all: made of what they share and nobody else has. */
function sharedSetupToken([first]: RingKey[], instanceId: string): string {
  return createHmac('sha256', first?.key ?? '')
    .update(`berth setup token ${instanceId}`)
    .digest('hex')
    .slice(0, 32);
}

/**
 * Folders with their links resolved: a repository's real path is compared with them, and behind a link Berth's own data would not be known as such. Roots
 * stand here both ways, since the path as it was asked for is compared first.
 */
async function repositoryPolicy({
  upstreams,
  repositories,
}: Config): Promise<WorkspaceSettings['repositories']> {
  const real = (folder: string): Promise<string> => realpath(folder).catch(() => folder);
  const { fileRoots } = repositories;
  return {
    githubUrl: upstreams.githubUrl,
    dataDirectory: await real(repositories.dataDirectory),
    fileRoots: fileRoots && [...new Set([...fileRoots, ...(await Promise.all(fileRoots.map(real)))])],
  };
}

async function ownVersion(folder: string): Promise<string> {
  const text = await readFile(path.join(folder, '../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
