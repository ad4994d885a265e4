import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import type { RunnerInput } from '../../contracts/runner.js';
import type { Log } from '../../kernel/index.js';
import { isId } from '../../kernel/index.js';
import type { WorkspaceFiles } from './layout.js';
import { commandLine, isOutsideSandbox, type ProcessInfo, readProcess, scanProcesses } from './processes.js';
import { readRunnerPid } from './runner-file.js';

/** What a runner is started with. */
export interface RunnerProgram {
  nodeBinary: string;
  /** `dist/runner/main.js`. */
  entry: string;
  /** PATH of the runner. */
  path: string;
}

/** `runner/main.js` of any installation: after an upgrade to another folder the old runner is still recognised, and ended. */
function tail(entry: string): string {
  return join(basename(dirname(entry)), basename(entry));
}

/**
 * The runner file that a process works on when it is a runner of ours (`node …/runner/main.js <file>`), else null. The runner must not set
 * `process.title`, which would overwrite this.
 */
function runnerFileOf(pid: number, entry: string): string | null {
  const words = commandLine(pid);
  const file = words.at(-1);
  const program = words.at(-2);
  if (words.length < 3 || file === undefined || program === undefined || tail(program) !== tail(entry))
    return null;
  // A sandboxed agent can give its processes any command line, another workspace's runner among them.
  return isOutsideSandbox(pid) ? file : null;
}

/** The living runners of a workspace: none or one and, if something went badly wrong, more. */
export async function findRunners(files: WorkspaceFiles, entry: string): Promise<ProcessInfo[]> {
  const recorded = await readRunnerPid(files.pidFile);
  const process = recorded === null ? null : readProcess(recorded.pid);
  const isOurs = (info: ProcessInfo): boolean => runnerFileOf(info.pid, entry) === files.runnerFile;
  if (process !== null && process.startTime === recorded?.startTime && isOurs(process)) return [process];
  // Berth may have been killed after it had started the runner and before the pid was on disk.
  return scanProcesses().filter(isOurs);
}

/** Ids of the workspaces below `folder` whose runner lives. */
export function runningWorkspaces(folder: string, entry: string): string[] {
  return scanProcesses().flatMap(({ pid }) => {
    const file = runnerFileOf(pid, entry);
    if (file === null || basename(file) !== 'runner.json' || dirname(dirname(file)) !== folder) return [];
    const id = basename(dirname(file));
    return isId(id) ? [id] : [];
  });
}

/** True when the runner was started from this very entry point. After an upgrade to another folder it was not. */
export function isFromEntry(pid: number, entry: string): boolean {
  return commandLine(pid).at(-2) === entry;
}

/**
 * Starts a runner in a session of its own, so that it outlives Berth (it is adopted later) and a terminal's Ctrl-C does not reach it.
 * It inherits nothing: its environment is this list, its output goes to the workspace's log file. What nobody else may read comes on its standard input.
 */
export async function spawnRunner(
  files: WorkspaceFiles,
  program: RunnerProgram,
  input: RunnerInput,
  log: Log,
): Promise<ProcessInfo> {
  const output = await open(files.logFile, 'a', 0o600);
  const isInput = input.traceExport !== null || input.cause.requestId !== null;
  try {
    const child = spawn(program.nodeBinary, [program.entry, files.runnerFile], {
      cwd: parse(files.root).root,
      detached: true,
      env: { PATH: program.path, LANG: 'C.UTF-8', TZ: 'UTC', HOME: '/nonexistent' },
      stdio: [isInput ? 'pipe' : 'ignore', output.fd, output.fd],
    });
    child.once('exit', (code, signalName) => {
      const how = { workspaceId: files.workspaceId, code, signal: signalName };
      if (code === 0) log.info(how, 'runner ended');
      else log.warn(how, 'runner ended unexpectedly; its runner.log in the data directory may say why');
    });
    // It may have ended before it read; its end is seen elsewhere.
    child.stdin?.on('error', () => undefined).end(JSON.stringify(input));
    // Read before the event loop turns: until then even a process that ended at once is not collected, so the pid is its own.
    const info = child.pid === undefined ? null : readProcess(child.pid);
    await once(child, 'spawn');
    child.unref();
    if (info === null) throw new Error('the runner ended as soon as it was started');
    return info;
  } finally {
    await output.close();
  }
}
