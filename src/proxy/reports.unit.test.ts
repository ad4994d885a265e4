import { until } from '../../test/emulators/until.js';
import type { ProxyReportItem } from '../contracts/proxy.js';
import { Secret, silentLog, systemIds } from '../kernel/index.js';
import type { ControlPlaneAnswer } from './control-plane.js';
import type { Limits } from './limits.js';
import { ReportOutbox, type NewReport } from './reports.js';

const served = (generation: number): Extract<NewReport, { type: 'served' }> => ({
  type: 'served',
  credentialId: '0198c0de-0000-7000-8000-000000000001',
  generation,
});
const usage = (generation: number): NewReport => ({
  ...served(generation),
  type: 'usage',
  model: null,
  inputTokens: 1,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
});

/** An outbox whose control plane answers with these statuses in turn (0: no answer at all), then with 204. */
function setUp(statuses: number[], limits: Partial<Limits> = {}) {
  const deliveries: ProxyReportItem[][] = [];
  let gate: Promise<void> = Promise.resolve();
  const controlPlane = {
    post: async (_path: string, _token: Secret, body: unknown): Promise<ControlPlaneAnswer> => {
      deliveries.push((body as { items: ProxyReportItem[] }).items);
      await gate;
      const status = statuses.shift() ?? 204;
      if (status === 0) throw new Error('connect ECONNREFUSED');
      return { status, body: null, retryAfterSeconds: null };
    },
  };
  const outbox = new ReportOutbox({
    workspaceId: 'w',
    token: () => new Secret('t'),
    controlPlane,
    ids: systemIds,
    log: silentLog,
    limits: {
      maxReports: 1000,
      firstRetrySeconds: 0.002,
      maxRetrySeconds: 0.01,
      flushSeconds: 0.2,
      ...limits,
    },
  });
  const hold = (): (() => void) => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    return open;
  };
  return {
    outbox,
    deliveries,
    hold,
    generations: () => deliveries.flat().map((item) => ('generation' in item ? item.generation : null)),
  };
}

describe('ReportOutbox', () => {
  it('delivers until accepted, with the same ids, in order', async () => {
    const { outbox, deliveries } = setUp([503, 0, 401, 500]);
    outbox.add(served(1));
    await outbox.delivered();
    expect(deliveries).toHaveLength(5);
    expect(new Set(deliveries.flat().map(({ id }) => id)).size).toBe(1);
    await outbox.close();
  });

  it('tells when one report was accepted, whatever comes after it', async () => {
    const { outbox, hold } = setUp([503]);
    const open = hold();
    const first = outbox.tell(served(1));
    open();
    await first.then(() => void hold());
    outbox.add(served(2));
    expect(await Promise.race([first, outbox.delivered().then(() => 'all')])).toBeUndefined();
  });

  it('lets nobody wait for a report that is given up', async () => {
    const { outbox } = setUp(Array.from({ length: 10_000 }, () => 0));
    const told = outbox.tell(served(1));
    await outbox.close();
    await told;
    await outbox.tell(served(2));
  });

  it('has one batch in flight and gathers the next, at most 100 at a time', async () => {
    const { outbox, deliveries, hold, generations } = setUp([]);
    const open = hold();
    for (let i = 0; i < 250; i++) outbox.add(served(i + 1));
    expect(deliveries).toHaveLength(1);
    open();
    await outbox.delivered();
    expect(deliveries.map((items) => items.length)).toEqual([1, 100, 100, 49]);
    expect(generations()).toEqual(Array.from({ length: 250 }, (_, i) => i + 1));
    expect(new Set(deliveries.flat().map(({ id }) => id)).size).toBe(250);
  });

  it('gives up what can never be accepted, and goes on', async () => {
    const { outbox, generations } = setUp([422]);
    outbox.add(served(1));
    outbox.add(served(2));
    await outbox.delivered();
    expect(generations()).toEqual([1, 2]);
  });

  it('stays bounded, and drops token counts before receipts', async () => {
    const { outbox, hold, generations } = setUp([], { maxReports: 4 });
    const open = hold();
    outbox.add(served(1)); // In flight.
    for (const report of [usage(2), served(3), usage(4), served(5), served(6), served(7)]) outbox.add(report);
    open();
    await outbox.delivered();
    expect(generations()).toEqual([1, 3, 5, 6, 7]);
  });

  it('delivers what is left at close, cutting a pause short', async () => {
    const { outbox, deliveries } = setUp([503], {
      firstRetrySeconds: 60,
      maxRetrySeconds: 60,
      flushSeconds: 5,
    });
    outbox.add(served(1));
    await until('the first delivery', () => deliveries.length === 1);
    await new Promise(setImmediate);
    await outbox.close();
    expect(deliveries).toHaveLength(2);
  });

  it('ends at close in bounded time, at once when the token is no longer good', async () => {
    const away = setUp(Array.from({ length: 10_000 }, () => 0));
    away.outbox.add(served(1));
    await away.outbox.close();
    await away.outbox.delivered();
    away.outbox.add(served(2));
    expect(away.generations()).not.toContain(2);

    const replaced = setUp([401, 401], { flushSeconds: 3600 });
    const open = replaced.hold();
    replaced.outbox.add(served(1));
    const closed = replaced.outbox.close();
    open();
    await closed;
    expect(replaced.deliveries).toHaveLength(1);
  });
});
