import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Waits until `condition` gives something other than `undefined`, asking every `intervalMs`; `undefined` after `timeoutMs`. */
export async function poll<T>(
  condition: () => Promise<T | undefined> | T | undefined,
  { timeoutMs, intervalMs }: { timeoutMs: number; intervalMs: number },
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() >= deadline) return undefined;
    await delay(intervalMs);
  }
}

/** True when a process with this number runs. A zombie (ended, its parent has not looked yet) counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return procStat(pid)?.state !== 'Z';
}

/**
 * Names one process for good: `<pid>` and, on Linux, its start time. Numbers are given out again after a crash or in a new container,
 * the pair is not (proc(5), field 22 of `/proc/<pid>/stat`).
 */
export function processIdentity(pid: number): string {
  const started = procStat(pid)?.startTime;
  return started === undefined ? String(pid) : `${pid}-${started}`;
}

/** Whether the process that `processIdentity` named still runs: `unsure` where the number runs but the system tells no start time. */
export function identityState(identity: string): 'alive' | 'gone' | 'unsure' {
  const [pidText = '', started] = identity.split('-');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return 'gone';
  if (started === undefined) return 'unsure';
  return procStat(pid)?.startTime === started ? 'alive' : 'gone';
}

interface ProcStat {
  state: string;
  startTime: string;
}

function procStat(pid: number): ProcStat | undefined {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // Not Linux, or gone.
  }
}

/** Fields 3 and 22 of proc(5) stat. The program's name (field 2) stands in brackets and may itself hold spaces and brackets. */
export function parseProcStat(text: string): ProcStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state && startTime ? { state, startTime } : undefined;
}

/**
 * True when process `pid` is a Postgres server on `dataDirectory`. The number in a left-over `postmaster.pid` may have gone to
 * anything since; such a process must neither block a start nor be signalled.
 */
export async function isPostgresOn(pid: number, dataDirectory: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const command = await commandLine(pid);
  if (command === undefined) return true; // The system does not tell: the connection will show.
  const [program = ''] = command;
  return path.basename(program).startsWith('postgres') && command.includes(dataDirectory);
}

async function commandLine(pid: number): Promise<string[] | undefined> {
  if (process.platform === 'linux') {
    try {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    } catch {
      return []; // Gone between two looks.
    }
  }
  try {
    const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
    const line = stdout.trim();
    const [program = ''] = line.split(' ');
    // ps joins the arguments with blanks, so a folder's name is looked for after -D.
    const directory = / -D (.*?)(?: -c |$)/.exec(line)?.[1];
    return [program, ...(directory === undefined ? [] : [directory])];
  } catch {
    return undefined;
  }
}

/** Sends a signal; a process that has just gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
