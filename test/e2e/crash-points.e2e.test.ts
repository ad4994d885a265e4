import { crashPoints, type CrashPoint } from '../../src/kernel/index.js';
import { crashCases, type CrashGround } from '../support/crash-cases.js';
import { LinearGround } from '../support/linear-ground.js';
import { freePort } from './support/ports.js';
import { TestSystem } from './support/system.js';

/** Each named place in turn: Berth kills itself there, is started again, and nothing was lost or came twice. The cases: test/support/crash-cases.ts. */

type System = TestSystem & CrashGround;

/** Most of the time is waiting: the queue gives a dead worker's job to another after 8 to 14 s. Hence several Berths side by side. */
const LANES = 3;
const LANE_MS = 180_000;

const outcomes = new Map<CrashPoint, Promise<void>>();
const opened: { close(): Promise<void> }[] = [];

beforeAll(() => {
  for (let lane = 0; lane < LANES; lane++) {
    const system = startSystem();
    const names = crashPoints.filter((_, index) => index % LANES === lane);
    let before: Promise<unknown> = system;
    for (const name of names) {
      const run = before.then(async () => killAt(name, await system));
      outcomes.set(name, run);
      // One that fails does not keep the next; it is told by its own test.
      before = run.catch(() => undefined);
    }
  }
});
afterAll(async () => {
  await Promise.allSettled(outcomes.values());
  for (const each of opened.reverse()) await each.close();
});

async function startSystem(): Promise<System> {
  const linear = await LinearGround.start();
  opened.push(linear);
  // On one port, so that runners find the next Berth, and go on.
  const environment = { PORT: String(await freePort()), ...linear.environment };
  const system = await TestSystem.start({ environment });
  opened.push(system);
  await linear.connect(system.api);
  return Object.assign(system, { linear });
}

async function killAt(name: CrashPoint, system: System): Promise<void> {
  const test = crashCases[name];
  const made = (await test.before?.(system)) ?? '';
  await system.berth.stop();
  await system.restart({ ...test.environment, BERTH_CRASH_POINT: `${name}:${test.count ?? 1}` });
  await test.act(system, made);
  await system.berth.untilKilled();
  await system.restart();
  await test.holds(system, made);
}

describe('killed at', () => {
  // Each waits for those before it in its lane, too.
  it.each(crashPoints)('%s', (name) => outcomes.get(name), LANE_MS);
});
