import { setImmediate } from 'node:timers/promises';
import { FakeTime } from '../../../test/support/proxy-alone.js';
import { silentLog } from '../../kernel/index.js';
import { Identity, type Obtained } from './identity.js';

const LIFE_SECONDS = 3600;
const lend = () => ({ kind: 'anthropic_wif' as const, token: 'token' });

/** An identity whose next calls end as the test says; after those it gets tokens. */
function begin(...ends: Obtained[]) {
  const time = new FakeTime();
  let calls = 0;
  const told: number[] = [];
  const identity = new Identity({
    obtain: () => {
      calls += 1;
      const expiresAt = new Date(time.now().getTime() + LIFE_SECONDS * 1000);
      return Promise.resolve(ends.shift() ?? { outcome: 'obtained', lend, expiresAt });
    },
    renewed: (generation) => told.push(generation),
    measured: () => undefined,
    time,
    log: silentLog,
  });
  identity.start();
  return { identity, time, told, calls: () => calls };
}

const failed = (retryAfterSeconds: number | null = null): Obtained => ({
  outcome: 'failed',
  reason: 'away',
  retryAfterSeconds,
});
const obtained = (seconds: number): Obtained => ({
  outcome: 'obtained',
  lend,
  expiresAt: new Date(new FakeTime().now().getTime() + seconds * 1000),
});

describe('a short-lived token', () => {
  it('is the same for all who ask, and told once', async () => {
    const { identity, told, calls } = begin();
    const all = await Promise.all([identity.get(), identity.get()]);
    expect(all).toMatchObject([{ generation: 1 }, { generation: 1 }]);
    expect([told, calls(), identity.trouble]).toEqual([[1], 1, null]);
  });

  it('is not tried for sooner than the other side said, whoever asks', async () => {
    const { identity, time, calls } = begin(failed(120));
    await setImmediate();
    expect(await identity.get()).toEqual({ retryAfterSeconds: expect.any(Number) as number });
    await time.pass(119_000);
    expect(calls()).toBe(1);
    await time.pass(15_000);
    expect(await identity.get()).toMatchObject({ generation: 1 });
  });

  it('is waited for when the next try is near', async () => {
    const { identity, time, calls } = begin(failed(), failed());
    await setImmediate();
    const asked = identity.get();
    await time.pass(1200);
    expect(await asked).toEqual({ retryAfterSeconds: 3 });
    const again = identity.get();
    await time.pass(2200);
    expect(await again).toMatchObject({ generation: 1 });
    expect(calls()).toBe(3);
  });

  it('is tried for at once when it is refused while its renewal was put off for long', async () => {
    // Due after 75 % of an hour; it fails then, and as the token serves the next try is a minute away.
    const { identity, time, calls } = begin(obtained(LIFE_SECONDS), failed());
    await time.pass(2_836_000);
    expect(calls()).toBe(2);
    identity.refused(1);
    await time.pass(1100);
    expect(calls()).toBe(3);
    expect(await identity.get()).toMatchObject({ generation: 2 });
  });

  it('but not before the time that the other side said', async () => {
    const { identity, time, calls } = begin(obtained(LIFE_SECONDS), failed(90));
    await time.pass(2_836_000);
    identity.refused(1);
    await time.pass(20_000);
    expect(calls()).toBe(2);
    await time.pass(80_000);
    expect(calls()).toBe(3);
  });

  it('is renewed once for a hundred refusals of one generation, and not for one that is over', async () => {
    const { identity, calls } = begin();
    await identity.get();
    for (let i = 0; i < 100; i++) identity.refused(1);
    expect(await identity.get()).toMatchObject({ generation: 2 });
    identity.refused(1);
    expect(await identity.get()).toMatchObject({ generation: 2 });
    expect(calls()).toBe(2);
  });

  it('is got at once where the clock was years ahead when there was none, and is right again', async () => {
    const { identity, time, calls } = begin(failed(), failed());
    time.skew(4 * 365 * 86_400_000);
    await time.pass(1200);
    expect(calls()).toBe(2);
    time.skew(0);
    expect(await identity.get()).toMatchObject({ generation: 1 });
  });

  it('keeps nobody waiting when the process ends', async () => {
    const { identity } = begin(failed());
    await setImmediate();
    const asked = identity.get();
    identity.close();
    expect(await asked).toHaveProperty('retryAfterSeconds');
  });
});
