import type { Row } from '../bench.js';

/** The value that the given share of the samples does not exceed (nearest rank). Throws without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('There are no samples.');
  return value;
}

/** The middle of the samples; of an even number the mean of the two in the middle. Throws without samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new Error('There are no samples.');
  return (low + high) / 2;
}

/** A row of many samples in milliseconds. `yardstick` holds samples of the same run. */
export function timeRow(
  what: string,
  samples: readonly number[],
  yardstick: { what: string; samples: readonly number[] } | null = null,
): Row {
  return {
    what,
    unit: 'ms',
    measured: median(samples),
    spread: { samples: samples.length, p95: percentile(samples, 0.95) },
    yardstick: yardstick && { what: yardstick.what, value: median(yardstick.samples) },
    aim: null,
  };
}

/** Runs `work` and answers how long it took, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
