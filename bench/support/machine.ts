import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** What of the machine decides the absolute numbers. */
export interface Machine {
  cores: number;
  processor: string;
  memoryGb: number;
  node: string;
  system: string;
  /** Processes that wanted a core, on average of the last minute, before the first bench. Above `cores`, others disturbed the run. */
  loadAtStart: number;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    system: `${process.platform}-${process.arch}`,
    loadAtStart: loadNow(),
  };
}

/** Load average of the last minute. */
export function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
