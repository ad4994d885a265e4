import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Config } from '../config/index.js';
import type { Log } from '../kernel/index.js';
import { JobWorker, PATIENT_QUEUE, queueOf } from '../queue/index.js';
import type { Runtime } from '../runtime/index.js';
import { ReplyRhythm } from '../triggers/index.js';
import { Sweep } from '../workspaces/index.js';
import { AppModule } from './app.module.js';
import { Closing } from './closing.js';
import { openCommon, type Common } from './common.js';
import { prepareEdge, serveAssets } from './edge.js';
import { holdHost } from './host.js';
import { EdgeServer } from './edge-server.js';
import { listenError } from './listen-error.js';
import { localRuntime } from './local-runtime.js';
import { NestLog } from './nest-log.js';

/** A Berth that runs. */
export interface Berth {
  /** Where it listens, as it is reached from this machine. */
  url: string;
  /** The link of the first run; null when it is set up, or where nobody can do it. */
  setupUrl: string | null;
  /** Orderly end: work in hand is given back, runners end, then everything is closed, last opened first. */
  close(): Promise<void>;
}

/**
 * Opens everything that the role needs, in the order in which one needs the other, and starts to work. What was opened is closed again when a later step fails. `abandon` is called
 * when this process must end at once and touch nothing more: its data directory may be another's by now.
 */
export async function startBerth(
  config: Config,
  folder: string,
  log: Log,
  abandon: () => void,
): Promise<Berth> {
  const closing = new Closing(log);
  const start = { all: startAll, api: startApi, worker: startWorker }[config.role];
  try {
    const common = await openCommon(config, folder, log, closing);
    return await start(common, abandon);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

// Everything is closed from the bottom of its list: first no new work is taken, then runners give back theirs while an API still hears them, then the waiting ends.

async function startAll(common: Common, abandon: () => void): Promise<Berth> {
  const { parts } = common;
  const runtime = await takeHost(common, abandon);
  const app = await listen(common, AppModule.with({ ...parts, runtime }));
  serveUntilClosed(common);
  await work(common, app, runtime);
  return becomeReady(common);
}

async function startApi(common: Common): Promise<Berth> {
  await listen(common, AppModule.api(common.parts));
  serveUntilClosed(common);
  return becomeReady(common);
}

async function startWorker(common: Common, abandon: () => void): Promise<Berth> {
  const runtime = await takeHost(common, abandon);
  const app = await listen(common, AppModule.worker({ ...common.parts, runtime }));
  await work(common, app, runtime);
  return { ...(await becomeReady(common)), url: common.address.asBound, setupUrl: null };
}

/** The runtime of the one data directory that this process holds. */
async function takeHost(common: Common, abandon: () => void): Promise<Runtime> {
  const { config, folder, log, world, opened, address, closing } = common;
  const { hostId, lock } = await holdHost(config, { ...common, ids: world.ids }, abandon);
  closing.add('data directory', () => lock.close());
  opened.schemaWatch.whenNewer(() => lock.silence());
  const { metrics } = common.parts;
  return localRuntime(config, {
    hostId,
    internalUrl: () => address.internalUrl,
    world,
    log,
    metrics,
    sources: folder,
  });
}

async function listen(common: Common, module: DynamicModule): Promise<NestExpressApplication> {
  const { config, closing, address, world, parts } = common;
  const app = await NestFactory.create<NestExpressApplication>(module, new EdgeServer(), {
    bodyParser: false,
    logger: new NestLog(parts.log),
    // Nest would end the process on the spot, leaving Postgres behind and the terminal without a word.
    abortOnError: false,
  });
  prepareEdge(app, { ...parts, ids: world.ids });
  if (config.role !== 'worker') serveAssets(app);
  const { host, port } = config.http;
  await app.listen(port, host).catch((error: unknown) => {
    throw listenError(error, host, port);
  });
  address.port = (app.getHttpServer().address() as { port: number }).port;
  closing.add('web server and queue', () => app.close());
  return app;
}

/** Streams and long polls wait on the feed: closed, it lets them end, and their readers connect to who comes next. */
function serveUntilClosed({ closing, opened, parts: { feed } }: Common): void {
  closing.add('feed', () => feed.close());
  opened.schemaWatch.whenNewer(() => void feed.close());
}

/** Opens the runtime, and begins to take jobs and to sweep. */
async function work(common: Common, app: NestExpressApplication, runtime: Runtime): Promise<void> {
  const { closing, opened, parts } = common;
  // Their first query makes the clients load Prisma's compiler, a fifth of a second of work: it is done while the proxy's process starts.
  const warm = Promise.all([opened.system.isFirstRun(), parts.database.ping()]);
  // Whether it failed is seen below; until then a failure must not end the process.
  warm.catch(() => undefined);
  await runtime.open();
  closing.add('runtime', () => runtime.close());
  const worker = app.get(JobWorker);
  worker.start();
  worker.start(PATIENT_QUEUE);
  worker.start(queueOf(runtime.hostId));
  closing.add('queue worker', () => worker.stop());
  const sweep = app.get(Sweep);
  const replies = app.get(ReplyRhythm);
  opened.schemaWatch.whenNewer(() => {
    sweep.stop();
    replies.stop();
    void worker.stop();
  });
  await sweep.start();
  replies.start();
  await warm;
  parts.log.debug({ hostId: runtime.hostId }, 'this host works');
}

async function becomeReady({ closing, opened, parts, address }: Common): Promise<Berth> {
  const { readiness, setupToken } = parts;
  opened.schemaWatch.whenNewer(() => (readiness.isOutdated = true));
  // It may have been migrated since this process looked, which was at its start.
  await opened.schemaWatch.look();
  opened.schemaWatch.start();
  readiness.isOpen = true;
  closing.add('readiness', () => {
    opened.schemaWatch.stop();
    readiness.isOpen = false;
    return Promise.resolve();
  });
  const setupUrl = (await opened.system.isFirstRun())
    ? `${address.publicUrl}/setup?token=${encodeURIComponent(setupToken.text)}`
    : null;
  return { url: address.publicUrl, setupUrl, close: () => closing.run() };
}
