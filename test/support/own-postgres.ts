import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { clusterPaths } from '../../src/database/embedded/cluster.js';

/** A Postgres for one test file alone, guarded as Berth's embedded one is: what the others of the run use must not be hurt. */
export class OwnPostgres {
  private constructor(
    private readonly child: ChildProcess,
    private readonly file: string,
    private readonly usual: string | undefined,
  ) {}

  /** From now on `createTestDatabase` of this file makes its databases here. */
  static async start(): Promise<OwnPostgres> {
    const entry = path.join(import.meta.dirname, 'postgres-server.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', entry, 'durable'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [message] = (await once(child, 'message')) as [{ file?: string; error?: string }];
    if (message.file === undefined) throw new Error(`Postgres does not start: ${message.error ?? ''}`);
    const usual = process.env.BERTH_TEST_POSTGRES;
    process.env.BERTH_TEST_POSTGRES = message.file;
    return new OwnPostgres(child, message.file, usual);
  }

  /** All its processes stop where they are, keep their connections, and answer nothing. */
  pause(): Promise<void> {
    this.#signalAll('SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.#signalAll('SIGCONT');
    return Promise.resolve();
  }

  /** Its guard starts it again, after the crash or the orderly end. */
  kill(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    return Promise.resolve();
  }

  restart(): Promise<void> {
    // The "fast" shutdown: everybody is thrown out.
    process.kill(this.#pid, 'SIGINT');
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    if (this.usual !== undefined) process.env.BERTH_TEST_POSTGRES = this.usual;
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }

  get #pid(): number {
    const { data } = clusterPaths(path.join(path.dirname(this.file), 'postgres'));
    return Number(readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  /** The server and its children: each connection is a process of its own. */
  #signalAll(signal: NodeJS.Signals): void {
    const parent = this.#pid;
    const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === parent);
    for (const pid of [parent, ...children.map(Number)]) process.kill(pid, signal);
  }
}

function parentOf(pid: string): number {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // It ended between two looks.
    return 0;
  }
}
