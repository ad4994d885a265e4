import { setTimeout as delay } from 'node:timers/promises';
import { FaultGround, type HurtRenewal } from '../support/fault-ground.js';
import {
  cells,
  faultFacts,
  faults,
  stepFacts,
  steps,
  type Fault,
  type Step,
} from '../support/renewal-faults.js';
import type { RenewingProcess } from '../support/renewing-process.js';

/**
 * The fault matrix of docs/renewal-faults.md, a test for each cell. A process that renews is brought to the step and stands there; then the fault happens, while somebody waits for the token. The six
 * steps of one fault side by side.
 */

const MATRIX_MS = 360_000;
const POSTGRES_AWAY_MS = 2_000;
const REDIS_AWAY_MS = 1_000;
const UPSTREAM_AWAY_MS = 1_500;
/** Longer than a heartbeat may be old; and then until others gave it up. */
const STOPPED_MS = 21_000;

interface Standing {
  step: Step;
  renewal: HurtRenewal;
  process: RenewingProcess;
}

/** Does the fault to all that stand; answers when it is over, or has happened where it does not end. */
type Happens = (all: Standing[], waiting: Promise<unknown>) => Promise<number>;

let ground: FaultGround;
const breaches = new Map<string, Promise<string[]>>();
const nameOf = (fault: Fault, step: Step): string => `${fault} ${step}`;
let all: Promise<unknown>;

beforeAll(async () => {
  ground = await FaultGround.start();
  const team = await Promise.all(steps.map(() => ground.process()));
  const doomed = await Promise.all(steps.map(() => ground.process()));
  for (const fault of ['postgres', 'redis', 'upstream'] as const) await play(fault, team);
  all = Promise.all([play('killed', doomed), play('stopped', team)]);
}, MATRIX_MS);
afterAll(async () => {
  await all;
  await ground.close();
});

const letGo = (standing: Standing[]): void => ground.letGo(standing.map(({ process }) => process));

const happens: Record<Fault, Happens> = {
  killed: async (standing) => {
    await Promise.all(standing.map(({ process }) => process.kill()));
    return performance.now();
  },
  stopped: async (standing, waiting) => {
    const begun = performance.now();
    for (const { process } of standing) process.stop();
    await Promise.all([delay(STOPPED_MS), waiting]);
    letGo(standing);
    return begun;
  },
  postgres: async (standing) => {
    await ground.postgres.cut();
    letGo(standing);
    await delay(POSTGRES_AWAY_MS);
    await ground.postgres.mend();
    return performance.now();
  },
  redis: async (standing) => {
    await ground.redis.kill();
    await ground.redis.removeFiles();
    letGo(standing);
    await delay(REDIS_AWAY_MS);
    await ground.redis.start();
    return performance.now();
  },
  upstream: async (standing) => {
    await ground.upstream.cut();
    // What the provider holds is cut, too: it never goes on.
    for (const { process } of standing) process.goOn();
    await delay(UPSTREAM_AWAY_MS);
    await ground.upstream.mend();
    return performance.now();
  },
};

/** One column. It ends when every cell of it has; what is wrong is told by the cell's own test. */
async function play(fault: Fault, processes: RenewingProcess[]): Promise<void> {
  const standing: Standing[] = [];
  for (const [at, step] of steps.entries()) {
    const process = processes[at];
    if (!process) throw new Error('There is a process for each step.');
    const renewal = await ground.runOut();
    await ground.bringTo(step, renewal, process);
    standing.push({ step, renewal, process });
  }
  const waiting = standing.map(({ renewal }) => renewal.waits());
  const since = await happens[fault](standing, Promise.allSettled(waiting));
  const ended = standing.map(async ({ step, renewal, process }, at) => {
    if (fault !== 'killed') await process.finished();
    const over = fault === 'stopped' ? performance.now() : since;
    const waited = await waiting[at];
    return waited ? renewal.breaches(cells[fault][step], waited, since, over) : ['nobody waited'];
  });
  for (const [at, { step }] of standing.entries())
    breaches.set(nameOf(fault, step), ended[at] ?? Promise.resolve(['it was not played']));
  await Promise.allSettled(ended);
}

describe.each(faults)('%s', (fault) => {
  it.each(steps)(
    `${faultFacts[fault].title}: %s`,
    async (step) => {
      expect(stepFacts[step].title).not.toBe('');
      if (fault === 'killed' || fault === 'stopped') await all;
      expect(await breaches.get(nameOf(fault, step))).toEqual([]);
    },
    MATRIX_MS,
  );
});
