import { FakeClock, Secret, silentLog } from '../kernel/index.js';
import type { ControlPlaneAnswer } from './control-plane.js';
import { LeaseCache } from './leases.js';

const TTL_SECONDS = 300;

function setUp() {
  const clock = new FakeClock();
  let generation = 0;
  const calls: unknown[] = [];
  let gate: Promise<void> = Promise.resolve();
  const controlPlane = {
    post: async (_path: string, _token: Secret, body: unknown): Promise<ControlPlaneAnswer> => {
      calls.push(body);
      generation += 1;
      const mine = generation;
      await gate;
      const expiresAt = new Date(clock.now().getTime() + TTL_SECONDS * 1000).toISOString();
      const secret = { kind: 'anthropic_api_key', apiKey: `key ${mine}` };
      const lease = {
        credentialId: '0198c0de-0000-7000-8000-000000000001',
        generation: mine,
        expiresAt,
        secret,
      };
      return { status: 200, body: lease, retryAfterSeconds: null };
    },
  };
  const leases = new LeaseCache({
    workspaceId: 'w',
    token: () => new Secret('t'),
    controlPlane,
    clock,
    log: silentLog,
  });
  const hold = (): (() => void) => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    return open;
  };
  return { clock, calls, leases, hold };
}

describe('LeaseCache', () => {
  it('keeps a lease until it ends, and asks once for many', async () => {
    const { clock, calls, leases } = setUp();
    const first = await Promise.all(Array.from({ length: 50 }, () => leases.get('anthropic')));
    expect(new Set(first).size).toBe(1);
    clock.advance(TTL_SECONDS * 1000 - 1);
    expect((await leases.get('anthropic')).generation).toBe(1);
    clock.advance(1);
    expect((await leases.get('anthropic')).generation).toBe(2);
    expect(calls).toEqual([{ upstream: 'anthropic' }, { upstream: 'anthropic' }]);
  });

  it('holds the secret where no printing finds it', async () => {
    const { leases } = setUp();
    const lease = await leases.get('anthropic');
    expect(lease.credential.secret.reveal()).toBe('key 1');
    expect(JSON.stringify(lease)).not.toContain('key 1');
  });

  it('asks anew after a refusal, once the report about it has arrived', async () => {
    const { calls, leases } = setUp();
    const lease = await leases.get('anthropic');
    let told: () => void = () => undefined;
    leases.refused('anthropic', lease, new Promise<void>((resolve) => (told = resolve)));
    const next = leases.get('anthropic');
    await new Promise(setImmediate);
    expect(calls).toHaveLength(1);
    told();
    expect((await next).generation).toBe(2);
  });

  it('keeps a newer lease when an older one is refused late', async () => {
    const { clock, calls, leases } = setUp();
    const old = await leases.get('anthropic');
    clock.advance(TTL_SECONDS * 1000);
    await leases.get('anthropic');
    leases.refused('anthropic', old, Promise.resolve());
    expect((await leases.get('anthropic')).generation).toBe(2);
    expect(calls).toHaveLength(2);
  });

  it('does not keep a lease that was on its way during a refusal, nor during a renewal', async () => {
    const { clock, calls, leases, hold } = setUp();
    const old = await leases.get('anthropic');
    clock.advance(TTL_SECONDS * 1000);
    const open = hold();
    const late = leases.get('anthropic');
    leases.refused('anthropic', old, Promise.resolve());
    open();
    expect((await late).generation).toBe(2);
    expect((await leases.get('anthropic')).generation).toBe(3);
    leases.clear();
    expect((await leases.get('anthropic')).generation).toBe(4);
    expect(calls).toHaveLength(4);
  });

  it('does not keep a lease that was asked for before its credential was forgotten, and lets nobody join it', async () => {
    const { calls, leases, hold } = setUp();
    const open = hold();
    const before = leases.get('anthropic');
    leases.forget('0198c0de-0000-7000-8000-000000000001');
    const after = leases.get('anthropic');
    open();
    expect((await before).generation).toBe(1);
    expect((await after).generation).toBe(2);
    expect((await leases.get('anthropic')).generation).toBe(2);
    expect(calls).toHaveLength(2);
  });

  it('keeps the lease of another credential than the forgotten one', async () => {
    const { calls, leases } = setUp();
    await leases.get('anthropic');
    leases.forget('0198c0de-0000-7000-8000-00000000ffff');
    await leases.get('anthropic');
    expect(calls).toHaveLength(1);
    leases.forget('0198c0de-0000-7000-8000-000000000001');
    expect((await leases.get('anthropic')).generation).toBe(2);
  });

  it('asks once for all who had the same refusal', async () => {
    const { calls, leases } = setUp();
    const lease = await leases.get('anthropic');
    const next = Array.from({ length: 50 }, () => {
      leases.refused('anthropic', lease, Promise.resolve());
      return leases.get('anthropic');
    });
    for (const { generation } of await Promise.all(next)) expect(generation).toBe(2);
    expect((await leases.get('anthropic')).generation).toBe(2);
    expect(calls).toHaveLength(2);
  });
});
