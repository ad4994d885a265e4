import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../e2e/support/ports.js';
import { eventually } from './eventually.js';

const PREFIX = 'berth-test-redis-';
const START_SECONDS = 20;

export interface TestRedisOptions {
  /** Lines of redis.conf, in place of those of a well-kept one: `{appendonly: 'no'}`. */
  settings?: Record<string, string>;
}

/** A real Redis of this test's own: on a free port of loopback, its files in a temporary folder. It can be stopped, killed and started again in place. */
export class TestRedis {
  #child: ChildProcess | null = null;

  private constructor(
    readonly directory: string,
    readonly port: number,
    private readonly settings: Record<string, string>,
  ) {}

  static async start({ settings = {} }: TestRedisOptions = {}): Promise<TestRedis> {
    await removeLeftovers();
    const directory = await mkdtemp(path.join(tmpdir(), `${PREFIX}${process.pid}-`));
    const redis = new TestRedis(directory, await freePort(), settings);
    await redis.start();
    return redis;
  }

  get url(): string {
    const { requirepass } = this.settings;
    return `redis://${requirepass ? `:${encodeURIComponent(requirepass)}@` : ''}127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (!this.#child?.pid) throw new Error('This Redis does not run.');
    return this.#child.pid;
  }

  /** Starts it (again), with what it had written to disk. */
  async start(): Promise<void> {
    const settings = {
      bind: '127.0.0.1',
      port: String(this.port),
      dir: this.directory,
      pidfile: path.join(this.directory, 'redis.pid'),
      daemonize: 'no',
      save: '',
      appendonly: 'yes',
      'enable-debug-command': 'local',
      ...this.settings,
    };
    const file = path.join(this.directory, 'redis.conf');
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}\n`);
    await writeFile(file, lines.join(''), { mode: 0o600 });
    const child = spawn('redis-server', [file], { stdio: 'ignore' });
    const failed = once(child, 'error').then(([error]) => {
      throw new Error(`redis-server cannot be started (Debian's package redis-server): ${String(error)}`);
    });
    failed.catch(() => undefined);
    this.#child = child;
    await Promise.race([failed, eventually('Redis answers', () => this.answers(), START_SECONDS)]);
  }

  /** Asks it to end, as an orderly restart does. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** It is there, keeps its connections, and answers nothing. */
  pause(): Promise<void> {
    process.kill(this.pid, 'SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    process.kill(this.pid, 'SIGCONT');
    return Promise.resolve();
  }

  async restart(how: 'stop' | 'kill' = 'stop'): Promise<void> {
    await this[how]();
    await this.start();
  }

  flush(): Promise<unknown> {
    return this.command('FLUSHALL');
  }

  /** One command on a connection of its own. */
  command(name: string, ...args: string[]): Promise<unknown> {
    return this.with((client) => client.call(name, ...args));
  }

  async with<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      client.disconnect();
    }
  }

  /** Every key of every database with all that is in it, as text. */
  async dump(): Promise<Map<string, string>> {
    return this.with(async (client) => {
      const found = new Map<string, string>();
      for (const key of await client.keys('*')) {
        const value = await read(client, key);
        found.set(key, JSON.stringify(value));
      }
      return found;
    });
  }

  /** Everything that anybody sends from now on, as text; also what is not kept, such as notices. */
  async watch(): Promise<{ text(): string; stop(): void }> {
    const client = new Redis(this.url);
    const monitor = await client.monitor();
    client.disconnect();
    let text = '';
    monitor.on('monitor', (_time: string, args: string[]) => (text += `${JSON.stringify(args)}\n`));
    return { text: () => text, stop: () => monitor.disconnect() };
  }

  /** Ends it and removes its files. */
  async remove(): Promise<void> {
    if (this.#child) await this.kill();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What it had written to disk is gone; for the time between an end and a start. */
  async removeFiles(): Promise<void> {
    for (const name of await readdir(this.directory))
      await rm(path.join(this.directory, name), { recursive: true, force: true });
  }

  private answers(): Promise<boolean> {
    return this.command('PING').then(
      (answer) => answer === 'PONG',
      () => false,
    );
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

async function read(client: Redis, key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      return client.get(key);
    case 'list':
      return client.lrange(key, 0, -1);
    case 'set':
      return client.smembers(key);
    case 'zset':
      return client.zrange(key, '0', '-1', 'WITHSCORES');
    case 'hash':
      return client.hgetall(key);
    case 'stream':
      return client.xrange(key, '-', '+');
    default:
      return null;
  }
}

/** What a run left behind whose process was killed: its server is ended, its files removed. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0] : Number.NaN);
    if (Number.isNaN(owner) || isRunning(owner)) continue;
    const directory = path.join(tmpdir(), name);
    const pid = Number(await readFile(path.join(directory, 'redis.pid'), 'utf8').catch(() => '0'));
    // The number may be another process's by now.
    const command = pid > 0 ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (command.startsWith('redis-server')) process.kill(pid, 'SIGKILL');
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
