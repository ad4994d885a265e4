import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Memory of one process or of several together, in MB (1,000,000 bytes). */
export interface Memory {
  /** Resident: all pages in memory, shared ones counted in full. */
  rss: number;
  /** Proportional: a page shared by n processes counts 1/n, so that sums are true. Null where the system does not tell. */
  pss: number | null;
}

const SAMPLE_EVERY_MS = 1000;
const CALM_SAMPLES = 3;
const CALM_SHARE = 0.01;
const MAX_SAMPLES = 20;

/** Memory of a living process (proc(5): VmRSS of `status`, Pss of `smaps_rollup`). Throws when it is gone. */
export function memoryOf(pid: number): Memory {
  return {
    rss: megabytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS') ?? 0,
    pss: megabytes(rollupOf(pid), 'Pss'),
  };
}

/** The sum over processes. */
export function memoryOfAll(pids: readonly number[]): Memory {
  const all = pids.map(memoryOf);
  const pss = all.flatMap((memory) => memory.pss ?? []);
  return { rss: sum(all.map(({ rss }) => rss)), pss: pss.length === all.length ? sum(pss) : null };
}

/** Reads once a second until three readings in a row differ by less than 1 % (20 at most): a process that just worked still gives memory back. */
export async function settledMemory(read: () => Memory): Promise<Memory> {
  const readings: Memory[] = [];
  for (;;) {
    readings.push(read());
    const last = readings.slice(-CALM_SAMPLES);
    const sizes = last.map(({ rss }) => rss);
    const isCalm =
      last.length === CALM_SAMPLES &&
      Math.max(...sizes) - Math.min(...sizes) < CALM_SHARE * Math.max(...sizes);
    const newest = last.at(-1);
    if (newest && (isCalm || readings.length >= MAX_SAMPLES)) return newest;
    await delay(SAMPLE_EVERY_MS);
  }
}

function rollupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    // Another user's process, or an old kernel.
    return '';
  }
}

function megabytes(text: string, field: string): number | null {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  return kibibytes === undefined ? null : (Number(kibibytes) * 1024) / 1e6;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
