import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LoginEndpoints } from '../../src/credentials/index.js';
import type { CrashPoint } from '../../src/kernel/index.js';
import type { TestDatabase } from './postgres.js';
import { eventually } from './eventually.js';

const ENTRY = path.join(import.meta.dirname, 'renewing-child.ts');

/** What such a process works with; given over its channel, since it holds secrets. */
export interface RenewingOptions {
  database: Pick<TestDatabase, 'appUrl' | 'systemUrl' | 'queueUrl'>;
  redisUrl: string | undefined;
  key: { id: string; base64: string };
  claude: LoginEndpoints['claude'];
  /** For how long it takes the provider to answer a spent refresh token again. */
  graceSeconds: number;
}

/** Which generation of which login it is told to renew. */
export interface Told {
  organizationId: string;
  credentialId: string;
  generation: number;
}

/** A worker's renewals in a process of their own, to be stopped and killed. */
export class RenewingProcess {
  #finished: Promise<unknown[]> | null = null;

  private constructor(private readonly child: ChildProcess) {}

  static async start(options: RenewingOptions): Promise<RenewingProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', ENTRY], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.send(options);
    await once(child, 'message');
    return new RenewingProcess(child);
  }

  /** Has it renew this generation, and answers when it has come to the place, where it stands still; null: it does not stop by itself. */
  async renew(told: Told, standAt: CrashPoint | null): Promise<void> {
    this.#finished = once(this.child, 'message');
    this.child.send({ ...told, standAt });
    if (standAt !== null) await eventually(`it stands at ${standAt}`, () => this.isStopped, 30);
  }

  /** Stopped, as by a debugger, a paused virtual machine or a host out of memory. */
  stop(): void {
    this.child.kill('SIGSTOP');
  }

  goOn(): void {
    this.child.kill('SIGCONT');
  }

  /** What it was told is done, one way or the other. */
  async finished(): Promise<void> {
    const [said] = ((await this.#finished) ?? []) as { failed?: string }[];
    if (said?.failed !== undefined) throw new Error(`A renewal failed: ${said.failed}`);
  }

  /** Takes it away without a word, also while it is stopped. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  private get isStopped(): boolean {
    const line = readFileSync(`/proc/${this.child.pid}/stat`, 'latin1');
    return line.slice(line.lastIndexOf(')') + 2).startsWith('T');
  }
}
