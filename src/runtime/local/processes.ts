import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One process as `/proc/<pid>/stat` tells it (proc(5)). Pid and start time together name a process for good. */
export interface ProcessInfo {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Device number of the controlling terminal; 0 is none. */
  terminal: number;
  /** Clock ticks since boot, as text: field 22. */
  startTime: string;
  /** One letter; Z (ended, not yet collected) and X are dead. */
  state: string;
}

/** Reads one line of `/proc/<pid>/stat`, or null when it is not one. */
export function parseStat(line: string): ProcessInfo | null {
  // The name stands in brackets and may itself hold brackets and spaces: all that counts comes after the last one.
  const end = line.lastIndexOf(')');
  const pid = Number.parseInt(line, 10);
  const fields = line
    .slice(end + 1)
    .trim()
    .split(' ');
  const [state, parent, group, session, terminal] = fields;
  // The first field here is number 3 of proc(5), so number 22 is at 19.
  const startTime = fields[19];
  if (end < 0 || !Number.isInteger(pid) || state === undefined || startTime === undefined) return null;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    terminal: Number(terminal),
    startTime,
    state,
  };
}

/** The process with this pid, or null when there is none or it has ended. */
export function readProcess(pid: number): ProcessInfo | null {
  try {
    const info = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return info !== null && isAlive(info) ? info : null;
  } catch {
    // It ended between two looks; that is what null says.
    return null;
  }
}

function isAlive(info: ProcessInfo): boolean {
  return info.state !== 'Z' && info.state !== 'X';
}

/** All living processes that can be seen. */
export function scanProcesses(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((info) => info !== null);
}

/** True when exactly this process still lives (and not a newer one with its pid). */
export function stillLives(process: Pick<ProcessInfo, 'pid' | 'startTime'>): boolean {
  return readProcess(process.pid)?.startTime === process.startTime;
}

/** Program and arguments of a process; empty when it has ended. */
export function commandLine(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return text.split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

/** The folder a process works in, or null when it cannot be told. */
export function workingFolder(pid: number): string | null {
  return link(`/proc/${pid}/cwd`);
}

/**
 * True when the process shares Berth's pid and mount namespace. Processes inside a sandbox do not: they choose their command line and
 * folder names freely, so neither may be believed of them.
 */
export function isOutsideSandbox(pid: number): boolean {
  return ['pid', 'mnt'].every((kind) => {
    const theirs = link(`/proc/${pid}/ns/${kind}`);
    return theirs !== null && theirs === link(`/proc/self/ns/${kind}`);
  });
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Sends a signal to one process or, with a negative number, to a group. Nobody there is not an error: that is what is wanted. */
export function signal(target: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
