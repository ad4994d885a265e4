import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { findAgentPrograms, type Config } from '../config/index.js';
import { checkKeyRing, CredentialPolicy, sealingKeyToBook, Vault } from '../credentials/index.js';
import {
  Database,
  openDatabase,
  openServer,
  readSealingKeys,
  type DatabaseServer,
  type OpenDatabase,
} from '../database/index.js';
import { WorkspaceFeed } from '../events/index.js';
import { SetupToken } from '../identity/index.js';
import { systemClock, systemIds, World, type Log } from '../kernel/index.js';
import { JobWorker } from '../queue/index.js';
import { LocalRuntime, type Runtime } from '../runtime/index.js';
import { Sweep, WorkspaceSettings } from '../workspaces/index.js';
import { AppModule, type Parts } from './app.module.js';
import { Closing } from './closing.js';
import { tieDataDirectory } from './data-directory.js';
import { prepareEdge } from './edge.js';
import { keyRingOf } from './key-file.js';
import { listenError } from './listen-error.js';
import { NestLog } from './nest-log.js';
import { PublicUrl } from '../http/index.js';
import { Readiness } from './readiness.js';
import { openWires } from './wires.js';

const sources = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** A Berth that runs. */
export interface Berth {
  /** Where it listens, as it is reached from this machine. */
  url: string;
  /** The link of the first run; null when it is set up. */
  setupUrl: string | null;
  /** Orderly end: work in hand is given back, runners end, then everything is closed, last opened first. */
  close(): Promise<void>;
}

/** Opens everything in the order in which one needs the other, and starts to work. What was opened is closed again when a later step fails. */
export async function startBerth(config: Config, log: Log): Promise<Berth> {
  const closing = new Closing(log);
  try {
    return await open(config, log, closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

async function open(config: Config, log: Log, closing: Closing): Promise<Berth> {
  const world = new World(systemClock, systemIds, randomBytes);
  const server = await openServer(config, log);
  closing.add('database server', () => server.stop());
  const { vault, opened } = await openSealed(config, log, world, server);
  closing.add('system login', () => opened.system.close());
  const wires = await openWires(config.redisUrl, opened, log);
  closing.add('wires', () => wires.close());
  const database = new Database(opened.appUrl, wires.tell);
  closing.add('database', () => database.close());
  const feed = new WorkspaceFeed(wires.notices);
  await feed.open();
  // Closed again further up, before the web server; here for a start that fails before that. The second time does nothing.
  closing.add('feed after a failed start', () => feed.close());

  const address = new Address(config);
  const runtime = await localRuntime(config, log, world, address);
  const setupToken = new SetupToken(config.setupToken ?? world.random(16).toString('hex'));
  const readiness = new Readiness();
  const parts: Parts = {
    log,
    world,
    feed,
    vault,
    runtime,
    setupToken,
    readiness,
    database,
    system: opened.system,
    queue: wires.queue,
    credentialPolicy: new CredentialPolicy(config.subscriptionOauth),
    workspaceSettings: new WorkspaceSettings(
      await repositoryPolicy(config),
      config.models,
      config.sweepSeconds,
    ),
    publicUrl: new PublicUrl(() => address.publicUrl),
  };
  const app = await listen(parts, config, address);
  // Closed from the bottom of this list: first no new work is taken, then runners give back theirs while the API still hears them, then the waiting ends.
  closing.add('web server and queue', () => app.close());
  closing.add('feed', () => feed.close());
  // Their first query makes the clients load Prisma's compiler, a fifth of a second of work: it is done while the proxy's process starts.
  const warm = Promise.all([opened.system.isFirstRun(), database.ping()]);
  // Whether it failed is seen below; until then a failure must not end the process.
  warm.catch(() => undefined);
  await runtime.open();
  closing.add('runtime', () => runtime.close());
  const worker = app.get(JobWorker);
  worker.start();
  closing.add('queue worker', () => worker.stop());
  await app.get(Sweep).start();
  readiness.isOpen = true;
  closing.add('readiness', () => {
    readiness.isOpen = false;
    return Promise.resolve();
  });
  const [isFirstRun] = await warm;
  const setupUrl = isFirstRun
    ? `${address.publicUrl}/setup?token=${encodeURIComponent(setupToken.text)}`
    : null;
  return { url: address.publicUrl, setupUrl, close: () => closing.run() };
}

/** The key ring is asked before the database is changed, and kept before anything is sealed with it. */
async function openSealed(
  config: Config,
  log: Log,
  world: World,
  server: DatabaseServer,
): Promise<{ vault: Vault; opened: OpenDatabase }> {
  const given = config.encryptionKeys;
  const ring = given
    ? { keys: given, keep: () => Promise.resolve() }
    : await keyRingOf(config.dataDirectory, world.random);
  const vault = new Vault(ring.keys);
  const booked = await readSealingKeys(server.ownerUrl);
  await checkKeyRing(vault, booked);
  await ring.keep();
  const opened = await openDatabase(server, config, path.resolve(sources, '../prisma/migrations'), log);
  await tieDataDirectory(config.dataDirectory, await opened.system.instanceId());
  const toBook = await sealingKeyToBook(vault, booked, world.clock);
  if (toBook) await opened.system.bookSealingKey(toBook);
  return { vault, opened };
}

async function listen(parts: Parts, config: Config, address: Address): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(parts), {
    bodyParser: false,
    logger: new NestLog(parts.log),
    // Nest would end the process on the spot, leaving Postgres behind and the terminal without a word.
    abortOnError: false,
  });
  prepareEdge(app, { log: parts.log, ids: parts.world.ids, publicUrl: parts.publicUrl });
  const { host, port } = config.http;
  await app.listen(port, host).catch((error: unknown) => {
    throw listenError(error, host, port);
  });
  address.port = (app.getHttpServer().address() as { port: number }).port;
  return app;
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

async function localRuntime(config: Config, log: Log, world: World, address: Address): Promise<Runtime> {
  const { runtime, dataDirectory } = config;
  const find = {
    dataDir: dataDirectory,
    claudeBin: runtime.claudeBin,
    codexBin: runtime.codexBin,
    path: runtime.path,
  };
  // Asked once here so that a wrong CLAUDE_BIN stops the start, and again at each workspace's start, since agents may be installed meanwhile.
  await findAgentPrograms(find);
  return new LocalRuntime({
    dataDirectory,
    internalUrl: () => address.internalUrl,
    anthropicUrl: config.upstreams.anthropicUrl,
    openaiUrl: config.upstreams.openaiUrl,
    sandboxMode: runtime.sandbox,
    findAgents: async () => {
      const { claude, codex } = await findAgentPrograms(find);
      return { claude: claude?.path ?? null, codex: codex?.path ?? null };
    },
    path: runtime.path,
    orphanSeconds: runtime.orphanSeconds,
    turnTimeoutSeconds: runtime.turnTimeoutSeconds,
    log,
    ids: world.ids,
    runnerEntry: path.join(sources, 'runner/main.js'),
    proxyEntry: path.join(sources, 'proxy/main.js'),
  });
}

/** Where this Berth is reached. With port 0 that is known only when it listens. */
class Address {
  port: number;

  constructor(private readonly config: Config) {
    this.port = config.http.port;
  }

  get publicUrl(): string {
    return this.config.http.publicUrl ?? this.asBound;
  }

  get internalUrl(): string {
    return this.config.internalUrl ?? this.asBound;
  }

  private get asBound(): string {
    const { host } = this.config.http;
    // Who listens on all addresses is reached on loopback.
    const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    return `http://${reached.includes(':') ? `[${reached}]` : reached}:${this.port}`;
  }
}
