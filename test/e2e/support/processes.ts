import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What the tests look up in `/proc` (proc(5)) with their own eyes, not with those of the code under test. */

const POLL_MS = 20;
const KILL_DEADLINE_MS = 10_000;

interface Stat {
  parent: number;
  /** Clock ticks since boot: with the pid, the name of a process for good. */
  startTime: string;
}

/** A living process, named so that a later one with the same pid is not taken for it. */
export interface ProcessName {
  pid: number;
  startTime: string;
}

/** Null when it is gone, or dead and only not collected yet (Z). */
function statOf(pid: number): Stat | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X'
      ? null
      : { parent: Number(fields[1]), startTime: fields[19] ?? '' };
  } catch {
    return null;
  }
}

function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    // It ended between two looks, or is a thread of the kernel.
    return '';
  }
}

function livingPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && statOf(pid) !== null);
}

/** Living processes whose command line, environment, program or working folder contains the text. */
export function processesNaming(text: string): number[] {
  return livingPids().filter((pid) => {
    const folder = `/proc/${pid}`;
    const texts = [
      textOf(() => readFileSync(`${folder}/cmdline`, 'utf8')),
      textOf(() => readFileSync(`${folder}/environ`, 'utf8')),
      textOf(() => readlinkSync(`${folder}/cwd`)),
      textOf(() => readlinkSync(`${folder}/exe`)),
    ];
    return texts.some((found) => found.includes(text));
  });
}

/** Command line of a process, its words joined by spaces; empty when it is gone. */
export function commandLineOf(pid: number): string {
  return textOf(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    .replaceAll('\0', ' ')
    .trim();
}

/** The process and all that descend from it, now. */
export function familyOf(root: number): ProcessName[] {
  const stats = new Map(livingPids().map((pid) => [pid, statOf(pid)]));
  const descends = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at !== 0; at = stats.get(at)?.parent)
      if (at === root) return true;
    return false;
  };
  return [...stats].flatMap(([pid, stat]) =>
    stat && descends(pid) ? [{ pid, startTime: stat.startTime }] : [],
  );
}

/** True while exactly this process lives. */
export function lives({ pid, startTime }: ProcessName): boolean {
  return statOf(pid)?.startTime === startTime;
}

/** The runner of a workspace, or null while there is none. */
export function runnerOf(workspaceFiles: string): number | null {
  const found = livingPids().filter(
    (pid) =>
      commandLineOf(pid).includes('/runner/main.js ') &&
      commandLineOf(pid).endsWith(`${workspaceFiles}/runner.json`),
  );
  if (found.length > 1)
    throw new Error(`There are ${found.length} runners of one workspace: ${found.join(', ')}`);
  return found[0] ?? null;
}

/** Berth's proxy, or null while it is being started again. */
export function proxyOf(berth: number): number | null {
  return (
    livingPids().find(
      (pid) => statOf(pid)?.parent === berth && commandLineOf(pid).endsWith('/proxy/main.js'),
    ) ?? null
  );
}

/** Kills what `find` finds until it finds nothing: one may start another meanwhile. For the end of a test. */
export async function endProcesses(find: () => number[]): Promise<void> {
  const deadline = performance.now() + KILL_DEADLINE_MS;
  for (let left = find(); left.length > 0; left = find()) {
    if (performance.now() > deadline)
      throw new Error(`Processes that cannot be ended: ${left.map(commandLineOf).join(' | ')}`);
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await delay(POLL_MS);
  }
}
