import { setTimeout as delay } from 'node:timers/promises';

/** Does something so many times a second, whether those before have ended or not; answers the milliseconds of each, from when it was due. Throws at the end what the first one threw that failed. */
export async function paced(
  perSecond: number,
  count: number,
  one: (at: number) => Promise<unknown>,
): Promise<number[]> {
  const samples: number[] = [];
  const failures: unknown[] = [];
  const under: Promise<unknown>[] = [];
  const begun = performance.now();
  for (let at = 0; at < count; at++) {
    const due = begun + (at * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 1) await delay(wait);
    const work = one(at).then(
      () => samples.push(performance.now() - due),
      (error: unknown) => failures.push(error),
    );
    under.push(work);
  }
  await Promise.all(under);
  if (failures.length > 0) throw failures[0];
  return samples;
}
