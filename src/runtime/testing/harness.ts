import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemIds } from '../../kernel/index.js';
import { until } from '../local/deadline.js';
import { LocalRuntime } from '../local/local-runtime.js';
import { type WorkspaceFiles, workspaceFiles } from '../local/layout.js';
import type { LocalRuntimeOptions } from '../local/options.js';
import { readProcess } from '../local/processes.js';
import { socketFolder, socketPath } from '../local/socket-folder.js';
import type { RuntimeStart } from '../runtime.js';
import { type StandIns, writeStandIns } from './stand-ins.js';

/** How long a test waits for something that takes milliseconds on an idle machine. */
export const PATIENCE_MS = 20_000;

/** Waits for a condition, and fails with its description when it does not come true. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  if (!(await until(condition, PATIENCE_MS))) throw new Error(`never came true: ${what}`);
}

/** What the stand-in proxy tells on a workspace's socket. */
export interface RouteTold {
  pid: number;
  workspaceId: string;
  placeholder: string;
  digest: string;
  git: unknown;
  configuration: { internalUrl: string };
}

/** A local runtime in a temporary folder, with the stand-in runner and proxy. */
export class Harness {
  private readonly opened: LocalRuntime[] = [];
  private readonly hostId = systemIds.next();

  private constructor(
    readonly directory: string,
    readonly standIns: StandIns,
  ) {}

  static async make(): Promise<Harness> {
    const directory = await mkdtemp(join(tmpdir(), 'berth-runtime-'));
    return new Harness(directory, await writeStandIns(directory));
  }

  get dataDirectory(): string {
    return join(this.directory, 'data');
  }

  /** Options that work; a test changes what it is about. */
  options(changes: Partial<LocalRuntimeOptions> = {}): LocalRuntimeOptions {
    return {
      dataDirectory: this.dataDirectory,
      hostId: this.hostId,
      internalUrl: () => 'http://127.0.0.1:9',
      anthropicUrl: 'http://127.0.0.1:9',
      openaiUrl: 'http://127.0.0.1:9',
      chatgptUrl: 'http://127.0.0.1:9',
      bedrockUrl: 'http://127.0.0.1:9',
      bedrockModels: {},
      sandboxMode: 'off',
      findAgents: () => Promise.resolve({ claude: process.execPath, codex: null }),
      path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      orphanSeconds: 600,
      turnTimeoutSeconds: 600,
      log: silentLog,
      ids: systemIds,
      runnerEntry: this.standIns.runnerEntry,
      proxyEntry: this.standIns.proxyEntry,
      stopGraceSeconds: 3,
      ...changes,
    };
  }

  /** Makes a runtime that is closed at the end of the test. */
  runtime(changes: Partial<LocalRuntimeOptions> = {}): LocalRuntime {
    const runtime = new LocalRuntime(this.options(changes));
    this.opened.push(runtime);
    return runtime;
  }

  async openRuntime(changes: Partial<LocalRuntimeOptions> = {}): Promise<LocalRuntime> {
    const runtime = this.runtime(changes);
    await runtime.open();
    return runtime;
  }

  request(workspaceId: string = systemIds.next()): RuntimeStart {
    return {
      organizationId: systemIds.next(),
      workspaceId,
      repository: { type: 'https', url: 'https://git.example/a/b.git', path: 'git.example/a/b.git' },
      agent: 'claude',
      runnerToken: `runner-token-${randomBytes(12).toString('hex')}`,
      proxyToken: `proxy-token-${randomBytes(12).toString('hex')}`,
      git: { path: 'git.example/a/b.git', upstreamUrl: 'https://git.example/a/b.git', pushRefs: [] },
    };
  }

  files(workspaceId: string): WorkspaceFiles {
    return workspaceFiles(this.dataDirectory, workspaceId);
  }

  /** Pids of all runners that were ever started for the workspace, in order. */
  startedPids(workspaceId: string): number[] {
    const marks = join(this.files(workspaceId).scratch, 'started');
    if (!existsSync(marks)) return [];
    // The file is there a moment before its first line is.
    return readFileSync(marks, 'utf8').split('\n').filter(Boolean).map(Number);
  }

  /** Waits until the runner has said that it runs, and gives its pid. */
  async runnerPid(workspaceId: string, count = 1): Promise<number> {
    await eventually('the runner started', () => this.startedPids(workspaceId).length >= count);
    return this.startedPids(workspaceId).at(-1) ?? 0;
  }

  /** The pids of the family that the stand-in runner made, once all of it is there. */
  async familyPids(workspaceId: string): Promise<number[]> {
    const names = ['child.pid', 'grandchild.pid', 'daemon.pid'];
    const read = (name: string): number => {
      const file = join(this.files(workspaceId).scratch, name);
      return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    };
    await eventually('the family is there', () => names.every((name) => read(name) > 0));
    return names.map(read);
  }

  socket(workspaceId: string, temporaryDirectory = tmpdir(), dataDirectory = this.dataDirectory): string {
    return socketPath(socketFolder(dataDirectory, workspaceId, temporaryDirectory));
  }

  async cleanUp(): Promise<void> {
    await this.standIns.planProxy({});
    for (const runtime of this.opened) await runtime.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const isAlive = (pid: number): boolean => readProcess(pid) !== null;

/** Asks the stand-in proxy on a socket what the route was opened with; null when nobody listens. */
export function askRoute(socket: string): Promise<RouteTold | null> {
  return new Promise((resolve) => {
    let text = '';
    const connection = connect(socket);
    connection.setEncoding('utf8');
    connection.on('data', (piece: string) => (text += piece));
    connection.on('error', () => resolve(null));
    connection.on('end', () => resolve(JSON.parse(text) as RouteTold));
  });
}

/** Asks again and again until the route answers what the test waits for. */
export async function routeWhere(
  socket: string,
  condition: (told: RouteTold) => boolean,
): Promise<RouteTold> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const told = await askRoute(socket);
    if (told !== null && condition(told)) return told;
    await until(() => false, 20, 20);
  }
  throw new Error('the route never answered as expected');
}
