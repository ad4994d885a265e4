import { randomBytes } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { RUNNER_PROTOCOL } from '../../contracts/runner.js';
import { currentCause } from '../../kernel/index.js';
import type { RuntimeStart } from '../runtime.js';
import { endProcesses } from './ending.js';
import { isAbsent } from './failures.js';
import { barredProcesses, leftoversBelow } from './family.js';
import { makeFolders, type WorkspaceFiles } from './layout.js';
import type { LocalRuntimeOptions } from './options.js';
import type { ProcessInfo } from './processes.js';
import { requireAgent, requireGit } from './programs.js';
import type { ProxyProcess, ProxyRoute } from './proxy-process.js';
import { readRunnerFile, writeRunnerFile, writeRunnerPid } from './runner-file.js';
import { boundLog } from './runner-log.js';
import { findRunners, isFromEntry, spawnRunner } from './runner-process.js';
import type { SandboxChooser } from './sandbox-choice.js';
import { sandboxedOn } from './sandboxed.js';
import { makeSocketFolder, removeSocketFolder, socketFolder, socketPath } from './socket-folder.js';

/** Options with every default filled in. */
export type RunnerOptions = Required<LocalRuntimeOptions>;

/** A route whose socket and placeholder are not known yet. */
export type RouteRequest = Omit<ProxyRoute, 'socketPath' | 'placeholder'>;

/** What is done to the runner of one workspace. The caller keeps calls for one workspace apart. */
export class WorkspaceRunner {
  constructor(
    private readonly options: RunnerOptions,
    private readonly sandbox: SandboxChooser,
  ) {}

  async isRunning(files: WorkspaceFiles): Promise<boolean> {
    return (await this.find(files)).length > 0;
  }

  /**
   * Takes over a living runner: opens its route again with the placeholder it was started with. False when there is none, or none
   * that could go on.
   */
  async adopt(files: WorkspaceFiles, proxy: ProxyProcess, route: RouteRequest): Promise<boolean> {
    const [runner, ...others] = await this.find(files);
    if (runner === undefined || others.length > 0) return false;
    const file = await readRunnerFile(files.runnerFile);
    const folder = this.socketFolderOf(files);
    const canGoOn =
      file !== null &&
      file.workspaceId === files.workspaceId &&
      // It would read a claim that it does not understand as no answer, and ask for it for ever.
      file.protocol === RUNNER_PROTOCOL &&
      file.socketDirectory === folder &&
      // Told another address (Berth listens on another port now), it would never hear of us.
      file.internalUrl === this.options.internalUrl() &&
      this.sandbox.accepts(file.sandbox.mode) &&
      isFromEntry(runner.pid, this.options.runnerEntry);
    if (!canGoOn) return false;
    await makeSocketFolder(folder);
    await proxy.open({ ...route, socketPath: socketPath(folder), placeholder: file.placeholder });
    // It may have ended while the route was opened; then a new one is due.
    if (!(await this.isRunning(files))) return false;
    await writeRunnerPid(files.pidFile, { pid: runner.pid, startTime: runner.startTime });
    return true;
  }

  /** Starts a new runner, after ending whatever an earlier one left. Always false: nothing was adopted. */
  async startNew(
    files: WorkspaceFiles,
    proxy: ProxyProcess,
    route: RouteRequest,
    request: RuntimeStart,
  ): Promise<false> {
    const { options } = this;
    // Two agents on one tree would undo each other's work: the old one ends first, even if the new one then cannot start.
    await this.end(files);
    try {
      const agents = await options.findAgents();
      await requireAgent(request.agent, agents[request.agent]);
      const git = await requireGit(options.path);
      const sandbox = await this.sandbox.choose(files.workspaceId);
      const folder = this.socketFolderOf(files);
      const placeholder = `berth-${randomBytes(24).toString('base64url')}`;
      await makeFolders(files);
      await makeSocketFolder(folder);
      await writeRunnerFile(files.runnerFile, {
        protocol: RUNNER_PROTOCOL,
        internalUrl: options.internalUrl(),
        runnerToken: request.runnerToken,
        workspaceId: files.workspaceId,
        directories: { tree: files.tree, home: files.home, scratch: files.scratch },
        socketDirectory: folder,
        placeholder,
        sandbox,
        agents: { claude: absolute(agents.claude), codex: absolute(agents.codex) },
        git,
        orphanSeconds: options.orphanSeconds,
        turnTimeoutSeconds: options.turnTimeoutSeconds,
        path: options.path,
      });
      await boundLog(files.logFile);
      await proxy.open({ ...route, socketPath: socketPath(folder), placeholder });
      await this.spawn(files);
      return false;
    } catch (error) {
      await this.undo(files, proxy);
      throw error;
    }
  }

  /** Ends the runner and everything it started; what a crashed one left, too. Nothing there is fine. */
  async end(files: WorkspaceFiles): Promise<void> {
    const root = await realPath(files.root);
    const findLeftovers = (table: ProcessInfo[]): ProcessInfo[] =>
      root === null
        ? []
        : [
            ...leftoversBelow(table, root, barredProcesses()),
            ...sandboxedOn(table, join(root, basename(files.tree)), files.workspaceId),
          ];
    await endProcesses(await this.find(files), findLeftovers, this.options.stopGraceSeconds * 1000);
  }

  /** Removes what only a living runner needs: its token, its pid and its socket. */
  async forget(files: WorkspaceFiles): Promise<void> {
    await rm(files.runnerFile, { force: true });
    await rm(files.pidFile, { force: true });
    await removeSocketFolder(this.socketFolderOf(files));
  }

  private async spawn(files: WorkspaceFiles): Promise<void> {
    const { nodeBinary, runnerEntry, path, traceExport, log } = this.options;
    const program = { nodeBinary, entry: runnerEntry, path };
    const input = { cause: currentCause(), traceExport };
    const { pid, startTime } = await spawnRunner(files, program, input, log);
    await writeRunnerPid(files.pidFile, { pid, startTime });
  }

  /** After a start that failed half-way. The first error is what people need; one of these would hide it. */
  private async undo(files: WorkspaceFiles, proxy: ProxyProcess): Promise<void> {
    const steps = [() => this.end(files), () => proxy.close(files.workspaceId), () => this.forget(files)];
    for (const step of steps) {
      await step().catch((error: unknown) => {
        this.options.log.warn(
          { workspaceId: files.workspaceId, reason: String(error) },
          'cleaning up after a failed start failed',
        );
      });
    }
  }

  private find(files: WorkspaceFiles): Promise<ProcessInfo[]> {
    return findRunners(files, this.options.runnerEntry);
  }

  private socketFolderOf(files: WorkspaceFiles): string {
    const { dataDirectory, temporaryDirectory } = this.options;
    return socketFolder(dataDirectory, files.workspaceId, temporaryDirectory);
  }
}

/** The runner works in another folder, where a relative path would mean another file. */
function absolute(program: string | null): string | null {
  return program === null ? null : resolve(program);
}

async function realPath(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}
