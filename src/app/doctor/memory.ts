import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { fail, ok, warn, type Finding } from './report.js';

const MIB = 1024 * 1024;
/** Berth, its proxy and embedded Postgres take about 300 MiB; an agent at work some hundred more. */
const LEAST_MIB = 512;
const COMFORTABLE_MIB = 1536;

/** There is memory for Berth and an agent. */
export async function memory(): Promise<Finding> {
  return judgeMemory(await available());
}

/** What can be had now, and at most. */
export function judgeMemory({ availableMib, totalMib }: { availableMib: number; totalMib: number }): Finding {
  const described = `${availableMib} MiB of ${totalMib} MiB are free`;
  const mend = 'Give the machine or the container more memory, or stop other programs.';
  if (availableMib < LEAST_MIB) return fail(`${described}; Berth and one agent need about 1 GiB.`, mend);
  if (availableMib < COMFORTABLE_MIB) return warn(`${described}; enough for Berth and one agent.`, mend);
  return ok(described);
}

/** Linux counts what caches would give back; a container's limit counts before the machine's. */
async function available(): Promise<{ availableMib: number; totalMib: number }> {
  const info = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(info)?.[1];
  const free = kib === undefined ? freemem() : Number(kib) * 1024;
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { availableMib: Math.floor(Math.min(free, total) / MIB), totalMib: Math.floor(total / MIB) };
}
