import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Agent } from '../../contracts/agents.js';
import type { ClaimedTurn, RepositorySource, RunnerAssignment, RunnerFile } from '../../contracts/runner.js';
import { FakeControlPlane } from './fake-control-plane.js';

export interface MachineOptions {
  /** Folder with the compiled runner. */
  compiled: string;
  repository: RepositorySource;
  agent: Agent;
  agents: RunnerFile['agents'];
  sandbox?: RunnerFile['sandbox']['mode'];
  ref?: string | null;
  /** One that people share. */
  branch?: string;
  readOnly?: boolean;
  instructions?: string;
  orphanSeconds?: number;
  turnTimeoutSeconds?: number;
  /** PATH inside. */
  path?: string;
  placeholder?: string;
}

/** The commit author of every turn in tests. */
export const AUTHOR = { name: 'Ada Lovelace', email: 'ada@example.com' };

/** One workspace on a machine: its folders, a control plane, and the real runner as a process of its own. */
export class Machine {
  readonly folder = mkdtempSync(join(tmpdir(), 'berth-machine-'));
  readonly placeholder: string;
  readonly socketPath = join(this.folder, 'socket', 's');
  readonly directories = {
    tree: join(this.folder, 'tree'),
    home: join(this.folder, 'home'),
    scratch: join(this.folder, 'scratch'),
  };
  readonly assignment: RunnerAssignment;
  readonly control: FakeControlPlane;
  /** The runner's log so far. */
  log = '';
  #runner: ChildProcess | null = null;

  constructor(private readonly options: MachineOptions) {
    this.placeholder = options.placeholder ?? `placeholder-${randomUUID()}`;
    mkdirSync(join(this.folder, 'socket'));
    this.assignment = {
      workspaceId: randomUUID(),
      repository: options.repository,
      ref: options.ref ?? null,
      branch: options.branch ?? 'berth/0badcafe',
      fallbackBranch: options.branch === undefined ? null : 'berth/0badcafe',
      readOnly: options.readOnly ?? false,
      instructions: options.instructions ?? null,
      agent: options.agent,
      model: options.agent === 'claude' ? 'claude-sonnet-4-5' : 'gpt-test',
    };
    this.control = new FakeControlPlane(`runner-token-${randomUUID()}`, this.assignment);
  }

  /** Starts a runner as the runtime does. Its environment holds a secret of the host that must not get inside. */
  start(): ChildProcess {
    const path = join(this.folder, 'runner.json');
    writeFileSync(path, JSON.stringify(this.#file()), { mode: 0o600 });
    const runner = spawn(process.execPath, [join(this.options.compiled, 'runner', 'main.js'), path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: '/usr/bin:/bin', HOST_SECRET: 'host-secret-value' },
    });
    runner.stderr.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.#runner = runner;
    return runner;
  }

  /** Sends a signal and waits for the end; answers the exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#runner?.kill(signal);
    return this.ended();
  }

  ended(): Promise<number | null> {
    const runner = this.#runner;
    if (runner === null) return Promise.resolve(null);
    if (runner.exitCode !== null || runner.signalCode !== null) return Promise.resolve(runner.exitCode);
    return new Promise((resolve) => runner.once('exit', resolve));
  }

  /** Queues a turn; answers it. */
  ask(text: string, more: Partial<ClaimedTurn> = {}): ClaimedTurn {
    const last = this.control.of('agent.session').at(-1);
    const good = this.control.of('turn.finished').findLast(({ point }) => point !== undefined);
    const turn: ClaimedTurn = {
      turnId: randomUUID(),
      attemptId: randomUUID(),
      attempt: 1,
      mode: 'start',
      text,
      author: AUTHOR,
      session: last?.session ?? null,
      point: good?.point ?? null,
      ...more,
    };
    this.control.turns.push(turn);
    return turn;
  }

  /** The runner's resident memory, in MB (10^6 bytes), as Linux counts it. */
  residentMegabytes(): number {
    const status = readFileSync(`/proc/${this.#runner?.pid ?? 0}/status`, 'utf8');
    return (Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / 1e6;
  }

  async close(): Promise<void> {
    await this.end('SIGKILL');
    await this.control.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #file(): RunnerFile {
    return {
      internalUrl: this.control.url,
      runnerToken: this.control.token,
      workspaceId: this.assignment.workspaceId,
      directories: this.directories,
      socketDirectory: join(this.folder, 'socket'),
      placeholder: this.placeholder,
      sandbox: { mode: this.options.sandbox ?? 'bubblewrap', bwrap: '/usr/bin/bwrap' },
      agents: this.options.agents,
      git: '/usr/bin/git',
      orphanSeconds: this.options.orphanSeconds ?? 600,
      turnTimeoutSeconds: this.options.turnTimeoutSeconds ?? 120,
      path: this.options.path ?? '/usr/local/bin:/usr/bin:/bin',
    };
  }
}
