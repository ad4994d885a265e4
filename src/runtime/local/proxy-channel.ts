import { type ChildProcess, spawn } from 'node:child_process';
import {
  type ProxyCommand,
  type ProxyHeld,
  type ProxyMeasure,
  type ProxyTunnel,
  proxyMessageSchema,
} from '../../contracts/proxy.js';
import { BerthError, type Ids, type Log } from '../../kernel/index.js';
import { relayLines } from './proxy-log.js';

/** What a proxy process is started with. */
export interface ProxyProgram {
  nodeBinary: string;
  /** `dist/proxy/main.js`. */
  entry: string;
  path: string;
}

/** The proxy ended, or its channel broke, before it answered. It is started again, so asking again makes sense. */
export class ProxyLost extends Error {
  override readonly name = 'ProxyLost';
}

type Request = Extract<ProxyCommand, { requestId: string }>;
type Unnumbered<T> = T extends Request ? Omit<T, 'requestId'> : never;
/** `open` or `close`, without its number. */
export type ProxyRequest = Unnumbered<Request>;

export interface ChannelOptions {
  ids: Ids;
  log: Log;
  measured?: (measure: ProxyMeasure) => void;
  held?: (held: ProxyHeld) => void;
  tunnel?: (tunnel: ProxyTunnel) => void;
}

interface Waiter {
  resolve: () => void;
  reject: (error: Error) => void;
}

/** One life of the proxy process and the IPC channel to it (part 3 of the wires in contracts/proxy). */
export class ProxyChannel {
  /** Resolves when the process is gone or was never there. */
  readonly ended: Promise<void>;
  /** Resolves when the proxy is configured; rejects with ProxyLost when it ends before. */
  readonly ready: Promise<void>;
  private readonly waiting = new Map<string, Waiter>();
  private lost = false;
  private readonly log: Log;

  private constructor(
    private readonly child: ChildProcess,
    private readonly options: ChannelOptions,
  ) {
    this.log = options.log;
    this.ready = new Promise<void>((resolve, reject) => this.waiting.set('ready', { resolve, reject }));
    // Whoever waits sees the rejection; nobody waiting is not a crash.
    this.ready.catch(() => undefined);
    this.ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        this.loseAll(`the proxy ended (${signal ?? code ?? 'unknown'})`);
        resolve();
      });
      child.once('error', (error) => {
        this.loseAll(`the proxy could not be started: ${error.message}`);
        if (child.pid === undefined) resolve();
      });
    });
    // A proxy that closed its channel can no longer be told to close a route: it must not go on.
    child.once('disconnect', () => {
      this.loseAll('the proxy closed its channel');
      this.kill();
    });
    child.on('message', (message) => this.receive(message));
    if (child.stderr !== null) relayLines(child.stderr, this.log);
  }

  /**
   * Starts a proxy and configures it. It inherits no environment. It stays in Berth's process group: it ignores a terminal's Ctrl-C, so
   * that Berth can end the runners first, and it ends itself when the channel breaks because Berth died.
   */
  static start(
    program: ProxyProgram,
    configuration: Omit<Extract<ProxyCommand, { type: 'configure' }>, 'type'>,
    options: ChannelOptions,
  ): ProxyChannel {
    const child = spawn(program.nodeBinary, [program.entry], {
      cwd: '/',
      env: {
        PATH: program.path,
        LANG: 'C.UTF-8',
        TZ: 'UTC',
        HOME: '/nonexistent',
        // Half of them look up names, of which agents choose many (src/proxy/egress/destinations.ts).
        UV_THREADPOOL_SIZE: '8',
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const channel = new ProxyChannel(child, options);
    channel.post({ type: 'configure', ...configuration });
    return channel;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Sends a request and waits for its `done`. Fails with ProxyLost, or with `runtime-failed` when the proxy says no. */
  async request(request: ProxyRequest): Promise<void> {
    if (this.lost) throw new ProxyLost('the proxy has ended');
    const requestId = this.options.ids.next();
    const answer = new Promise<void>((resolve, reject) => this.waiting.set(requestId, { resolve, reject }));
    this.post({ ...request, requestId });
    await answer;
  }

  /** Says something to which there is no answer. Lost when the proxy ends meanwhile. */
  tell(command: Extract<ProxyCommand, { type: 'forget' }>): void {
    if (!this.lost) this.post(command);
  }

  terminate(): void {
    this.child.kill('SIGTERM');
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private post(command: ProxyCommand): void {
    // The channel may break at any time; 'exit' or 'disconnect' tells those who wait. No error of ours may carry the command: it holds a token.
    this.child.send(command, () => undefined);
  }

  private receive(message: unknown): void {
    const parsed = proxyMessageSchema.safeParse(message);
    if (!parsed.success) {
      this.log.warn({}, 'the proxy sent a message that is none of its protocol; ignored');
      return;
    }
    if (parsed.data.type === 'measured') {
      this.options.measured?.(parsed.data);
      return;
    }
    if (parsed.data.type === 'held') {
      this.options.held?.(parsed.data);
      return;
    }
    if (parsed.data.type === 'tunnel') {
      this.options.tunnel?.(parsed.data);
      return;
    }
    const key = parsed.data.type === 'ready' ? 'ready' : parsed.data.requestId;
    const waiter = this.waiting.get(key);
    this.waiting.delete(key);
    if (parsed.data.type === 'failed') {
      const cause = new Error(parsed.data.message);
      this.log.error({ reason: parsed.data.message }, 'the proxy refused a request');
      waiter?.reject(
        new BerthError(
          'runtime-failed',
          'The proxy could not open the way out of the workspace. Berth’s log has the details; try again.',
          { cause },
        ),
      );
    } else waiter?.resolve();
  }

  private loseAll(why: string): void {
    this.lost = true;
    const waiters = [...this.waiting.values()];
    this.waiting.clear();
    for (const waiter of waiters) waiter.reject(new ProxyLost(why));
  }
}
