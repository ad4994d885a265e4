import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../src/kernel/index.js';
import { until } from '../emulators/until.js';
import { Api } from './api.js';
import { BERTH_PREFIX, makeScratch } from './scratch.js';

/** Below Jest's own limit, so that a start that hangs is ended and said. */
const START_SECONDS = 45;
const ENTRY = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A Berth as a person starts it: the built program, a process of its own, embedded Postgres, an empty data directory. */
export class BerthProcess {
  readonly output: string[] = [];
  private child: ChildProcess | null = null;

  private constructor(
    readonly dataDirectory: string,
    readonly environment: Record<string, string>,
  ) {}

  /** Makes one with a data directory of its own and starts it. `environment` is all it gets, besides PATH and what keeps it apart. */
  static async start(environment: Record<string, string> = {}): Promise<BerthProcess> {
    const berth = new BerthProcess(makeScratch(BERTH_PREFIX), environment);
    await berth.start();
    return berth;
  }

  /** Starts one that is expected to refuse: waits until it has ended, and answers its exit code and all it printed. Fails when it became ready instead. */
  static async refused(
    environment: Record<string, string>,
  ): Promise<{ code: number | null; output: string }> {
    const output: string[] = [];
    const child = spawn(process.execPath, [ENTRY], {
      env: { PATH: process.env.PATH ?? '', PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    const closed = once(child, 'close');
    const isReady = (): boolean => output.join('').includes('Berth is ready on ');
    await until(
      'Berth has ended',
      () => child.exitCode !== null || child.signalCode !== null || isReady(),
      START_SECONDS,
    );
    const wrong = isReady();
    if (wrong) child.kill('SIGTERM');
    await closed;
    if (wrong) throw new Error(`Berth started, and should not have:\n${output.join('')}`);
    return { code: child.exitCode, output: output.join('') };
  }

  get pid(): number {
    if (!this.child?.pid) throw new Error('Berth does not run.');
    return this.child.pid;
  }

  get url(): string {
    const line = this.output
      .join('')
      .match(/Berth is ready on (http:\S+)/g)
      ?.at(-1);
    if (!line) throw new Error(`Berth is not ready:\n${this.output.join('')}`);
    return line.replace('Berth is ready on ', '');
  }

  get setupToken(): string {
    return /setup\?token=([\w-]+)/.exec(this.output.join(''))?.[1] ?? '';
  }

  /** Starts the program (again) on the same data directory. `extra` is added to the environment for this run. Port 0 unless the environment says otherwise. */
  async start(extra: Record<string, string> = {}): Promise<void> {
    const readyBefore = this.timesReady();
    const env = {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      BERTH_DATA_DIR: this.dataDirectory,
      BERTH_SWEEP_SECONDS: '2',
      ...this.environment,
      ...extra,
    };
    const child = spawn(process.execPath, [ENTRY], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const keep = (chunk: Buffer): void => void this.output.push(chunk.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const isDecided = (): boolean => this.timesReady() > readyBefore || child.exitCode !== null;
    await until('Berth is ready', isDecided, START_SECONDS).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw new Error(`${messageOf(error)}\n${this.output.join('')}`);
    });
    if (child.exitCode !== null) throw new Error(`Berth did not start:\n${this.output.join('')}`);
  }

  /** Asks it to end, as a supervisor does, and waits until it has. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  /** Takes it away without a word. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Waits until it has taken itself away (a crash point). */
  async untilKilled(deadlineSeconds = START_SECONDS): Promise<void> {
    const { child } = this;
    if (!child) throw new Error('Berth does not run.');
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
    await until('Berth has killed itself', hasEnded, deadlineSeconds);
    this.child = null;
    if (child.signalCode !== 'SIGKILL')
      throw new Error(`Berth ended by itself with ${child.exitCode}:\n${this.output.join('')}`);
  }

  /** Stops it and removes its files. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDirectory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Sets it up; answers a caller with the owner's key. */
  async setUp(): Promise<Api> {
    const api = new Api(this.url, null, 'acme');
    const { body } = await api.post<{ apiKey: string }>(
      '/api/v1/setup',
      {
        token: this.setupToken,
        organization: { name: 'Acme', slug: 'acme' },
        user: { name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery' },
      },
      201,
    );
    return api.as(body.apiKey, 'acme');
  }

  private timesReady(): number {
    return this.output.join('').split('Berth is ready on ').length - 1;
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    this.child = null;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }
}
