import { setTimeout as delay } from 'node:timers/promises';
import type { ProxyCommand, ProxyHeld, ProxyMeasure, ProxyTunnel } from '../../contracts/proxy.js';
import { BerthError, type Ids, type Log, messageOf, type Secret } from '../../kernel/index.js';
import type { GitRoute } from '../runtime.js';
import { within } from './deadline.js';
import { ProxyChannel, ProxyLost, type ProxyProgram } from './proxy-channel.js';

/** One workspace's way out, as the proxy is told. Kept in memory alone. */
export interface ProxyRoute {
  workspaceId: string;
  socketPath: string;
  placeholder: string;
  proxyToken: Secret;
  git: GitRoute | null;
}

export interface ProxyProcessOptions {
  program: ProxyProgram;
  /** Asked at each start of the process. */
  configuration: () => Omit<Extract<ProxyCommand, { type: 'configure' }>, 'type'>;
  ids: Ids;
  log: Log;
  /** Told of each call to an upstream. */
  measured?: (measure: ProxyMeasure) => void;
  /** Told of each call that had to wait for a credential. */
  held?: (held: ProxyHeld) => void;
  /** Told of each tunnel that an agent asked for. */
  tunnel?: (tunnel: ProxyTunnel) => void;
  /** A proxy that does not answer within this time hangs; it is killed and started again. 10 by default. */
  answerSeconds?: number;
}

const ANSWER_SECONDS = 10;
/** How long the reports of all workspaces may take to be flushed at the end, and the process to end after that. */
const FLUSH_WAIT_MS = 3000;
const END_WAIT_MS = 2000;
const FIRST_BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 10_000;
/** A proxy that lived this long was well; the next restart is quick again. */
const WELL_AFTER_MS = 30_000;

/**
 * The proxy as a lasting thing: when its process ends it is started again, with back-off, and all open routes are opened again before
 * anyone else may use it.
 */
export class ProxyProcess {
  private readonly routes = new Map<string, ProxyRoute>();
  private readonly ending = new AbortController();
  /** The latest process, ready or not. */
  private channel: ProxyChannel | null = null;
  /** A process that is configured and knows all routes; replaced at each restart. */
  private usable = newGate();
  private life: Promise<void> | null = null;

  private readonly answerWaitMs: number;

  constructor(private readonly options: ProxyProcessOptions) {
    this.answerWaitMs = (options.answerSeconds ?? ANSWER_SECONDS) * 1000;
  }

  /** Pid of the current process, for logs and tests. */
  get pid(): number | undefined {
    return this.channel?.pid;
  }

  /** Starts the process and keeps it alive. Fails with `runtime-failed` when it does not come up. */
  async start(): Promise<void> {
    this.life ??= this.keepAlive();
    const channel = await within(this.usable.promise, this.answerWaitMs);
    if (channel !== 'timeout') return;
    await this.stop();
    throw notAnswering();
  }

  /** Opens a route, or replaces it. It stays open over restarts of the process until `close`. */
  async open(route: ProxyRoute): Promise<void> {
    this.routes.set(route.workspaceId, route);
    try {
      await this.ask((channel) => sendOpen(channel, route));
    } catch (error) {
      if (this.routes.get(route.workspaceId) === route) this.routes.delete(route.workspaceId);
      throw error;
    }
  }

  /** True while a workspace has a route, also while the process is being started again. */
  isOpen(workspaceId: string): boolean {
    return this.routes.has(workspaceId);
  }

  /** Closes a route. When this returns the route is closed: a proxy that does not confirm is killed, and the next one is not told of it. */
  async close(workspaceId: string): Promise<void> {
    this.routes.delete(workspaceId);
    if (this.life === null || this.isEnding()) return;
    try {
      await this.ask((channel) => channel.request({ type: 'close', workspaceId }));
    } catch (error) {
      this.options.log.warn(
        { workspaceId, reason: messageOf(error) },
        'the proxy did not confirm that a way out is closed; it is started again without it',
      );
      this.channel?.kill();
    }
  }

  /** Has the current process forget its leases of a credential. A process that is being started knows none. */
  forget(credentialId: string): void {
    if (!this.isEnding()) this.channel?.tell({ type: 'forget', credentialId });
  }

  /** Closes all routes (their reports are flushed), then ends the process. */
  async stop(): Promise<void> {
    const channel = this.channel;
    if (channel !== null && !this.isEnding()) {
      const closings = [...this.routes.keys()].map((workspaceId) =>
        channel.request({ type: 'close', workspaceId }),
      );
      await within(Promise.allSettled(closings), FLUSH_WAIT_MS);
    }
    this.routes.clear();
    this.ending.abort();
    this.channel?.terminate();
    if (this.life === null) return;
    if ((await within(this.life, END_WAIT_MS)) !== 'timeout') return;
    this.channel?.kill();
    await this.life;
  }

  /** Asks the current process, and the next one when that is lost meanwhile, for as long as an answer may take. */
  private async ask(request: (channel: ProxyChannel) => Promise<void>): Promise<void> {
    const end = performance.now() + this.answerWaitMs;
    for (;;) {
      const left = Math.max(0, end - performance.now());
      const channel = await within(this.usable.promise, left);
      if (channel === 'timeout') throw notAnswering();
      try {
        const answer = await within(request(channel), left);
        if (answer !== 'timeout') return;
        channel.kill();
        throw notAnswering();
      } catch (error) {
        if (!(error instanceof ProxyLost)) throw error;
        // The gate is renewed when the process' end is seen; wait for that, or the same lost channel is asked again at once.
        await within(channel.ended, Math.max(0, end - performance.now()));
      }
    }
  }

  private async keepAlive(): Promise<void> {
    const { log } = this.options;
    for (let failures = 0; !this.isEnding();) {
      const begun = performance.now();
      await this.liveOnce();
      if (this.isEnding()) return;
      this.usable = newGate();
      failures = performance.now() - begun > WELL_AFTER_MS ? 1 : failures + 1;
      const waitMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));
      log.warn({ waitMs, routes: this.routes.size }, 'the proxy ended; it is started again');
      await delay(waitMs, undefined, { signal: this.ending.signal }).catch(() => undefined);
    }
  }

  private isEnding(): boolean {
    return this.ending.signal.aborted;
  }

  /** One life of the process, until it is gone. */
  private async liveOnce(): Promise<void> {
    const { options } = this;
    let channel: ProxyChannel;
    try {
      channel = ProxyChannel.start(options.program, options.configuration(), options);
    } catch (error) {
      options.log.error({ reason: messageOf(error) }, 'the proxy could not be started');
      return;
    }
    this.channel = channel;
    const ready = await within(
      channel.ready.then(
        () => true,
        () => false,
      ),
      this.answerWaitMs,
    );
    if (ready === true) {
      await this.reopen(channel);
      this.usable.resolve(channel);
      options.log.info({ pid: channel.pid, routes: this.routes.size }, 'the proxy is ready');
    } else channel.kill();
    await channel.ended;
  }

  private async reopen(channel: ProxyChannel): Promise<void> {
    const openings = [...this.routes.values()].map((route) =>
      sendOpen(channel, route).catch((error: unknown) => {
        this.options.log.error(
          { workspaceId: route.workspaceId, reason: messageOf(error) },
          'a workspace’s way out could not be opened again',
        );
      }),
    );
    if ((await within(Promise.all(openings), this.answerWaitMs)) === 'timeout') channel.kill();
  }
}

interface Gate {
  promise: Promise<ProxyChannel>;
  resolve: (channel: ProxyChannel) => void;
}

function newGate(): Gate {
  let resolve: Gate['resolve'] = () => undefined;
  const promise = new Promise<ProxyChannel>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function sendOpen(channel: ProxyChannel, route: ProxyRoute): Promise<void> {
  return channel.request({
    type: 'open',
    workspaceId: route.workspaceId,
    socketPath: route.socketPath,
    placeholder: route.placeholder,
    proxyToken: route.proxyToken.reveal(),
    git: route.git,
  });
}

function notAnswering(): BerthError {
  return new BerthError(
    'runtime-failed',
    'Berth’s proxy does not answer. Berth’s log may say why; try again in a moment.',
  );
}
