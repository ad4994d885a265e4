import { randomUUID } from 'node:crypto';
import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { Lease, ProxyReportItem, UsageLine } from '../contracts/index.js';

type Used = Extract<ProxyReportItem, { type: 'usage' }>;

describe('usage', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const used = (lease: Lease, more: Partial<Used> = {}): Used => ({
    id: randomUUID(),
    type: 'usage',
    credentialId: lease.credentialId,
    generation: lease.generation,
    model: 'claude-sonnet-4-6',
    inputTokens: 1000,
    outputTokens: 100,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    ...more,
  });

  async function atWork(): Promise<PlayedWorkspace & { lease: Lease; turnId: string }> {
    const played = await bench.running({ message: 'work' });
    const { turnId } = await played.runner.claim();
    return { ...played, turnId, lease: await played.proxy.lease() };
  }

  const report = async (query: string, api = bench.api): Promise<UsageLine[]> =>
    (await api.get<{ items: UsageLine[] }>(api.path(`/usage?${query}`))).body.items;
  const lineOf = async (by: string, key: string): Promise<UsageLine | undefined> =>
    (await report(`by=${by}&limit=100`)).find((line) => line.key === key);

  it('is kept by whom, where, with what and for which turn', async () => {
    const { id, proxy, lease, turnId } = await atWork();
    await proxy.report(
      used(lease, { cacheReadTokens: 10_000, cacheWriteTokens: 1000, cacheHourTokens: 400 }),
    );
    const [entry] = await bench.sql('SELECT * FROM usage_entry WHERE workspace_id = $1', [id]);
    expect(entry).toMatchObject({
      member_id: bench.owner.userId,
      member_name: bench.owner.name,
      repository: 'github.com/acme/app',
      turn_id: turnId,
      credential_id: lease.credentialId,
      kind: 'anthropic_api_key',
      scope: 'user',
      billed: true,
      // 1000 x 3 + 100 x 15 + 10,000 x 0.3 + 600 x 3.75 + 400 x 6 dollars a million.
      cost_nano: String(3_000_000 + 1_500_000 + 3_000_000 + 2_250_000 + 2_400_000),
      price_list: 'built-in 2026-08-31',
    });
    const name = (await bench.api.workspace(id)).name;
    expect(await lineOf('workspace', id)).toEqual({
      key: id,
      name,
      calls: 1,
      unknownCalls: 0,
      inputTokens: 1000,
      outputTokens: 100,
      cacheReadTokens: 10_000,
      cacheWriteTokens: 1000,
      costUsd: 0.01215,
      unpricedCalls: 0,
      unbilledCalls: 0,
    });
    for (const [by, key] of [
      ['member', bench.owner.userId],
      ['credential', lease.credentialId],
      ['repository', 'github.com/acme/app'],
      ['kind', 'anthropic_api_key'],
      ['model', 'claude-sonnet-4-6'],
      ['day', bench.clock.now().toISOString().slice(0, 10)],
    ] as const)
      expect([by, (await lineOf(by, key))?.calls]).toEqual([by, 1]);
  });

  it('counts once, however often and however many at once it is delivered', async () => {
    const { id, proxy, lease } = await atWork();
    const [one, two] = [used(lease), used(lease)];
    await proxy.report(one);
    await Promise.all(Array.from({ length: 10 }, () => proxy.report(one, two)));
    expect(await lineOf('workspace', id)).toMatchObject({ calls: 2, inputTokens: 2000 });
  });

  it('that nobody told is unknown and not zero, and so is a price', async () => {
    const { id, proxy, lease } = await atWork();
    await proxy.report(
      used(lease, { outputTokens: null }),
      used(lease, { model: 'claude-of-tomorrow' }),
      used(lease, { inputTokens: Number.MAX_SAFE_INTEGER }),
    );
    expect(await lineOf('workspace', id)).toMatchObject({
      calls: 3,
      unknownCalls: 2,
      inputTokens: 2000,
      costUsd: 0,
      unpricedCalls: 3,
    });
  });

  it('is seen by members as their own alone, by admins whole, in pages', async () => {
    const { lease, proxy } = await atWork();
    await proxy.report(used(lease));
    const member = await bench.app.member(bench.organization, 'member');
    expect(await report('by=workspace', member.api)).toEqual([]);
    const { body } = await bench.api.get<{ items: UsageLine[]; nextCursor: string | null }>(
      bench.api.path('/usage?by=workspace&limit=1'),
    );
    const [next] = await report(`by=workspace&limit=1&cursor=${body.nextCursor}`);
    expect([body.items.length, next?.key !== body.items[0]?.key]).toEqual([1, true]);
    const before = '2000-01-01T00:00:00Z';
    expect(await report(`from=${before}&to=${before}`)).toEqual([]);
    expect((await bench.api.call('GET', bench.api.path('/usage?cursor=x'))).status).toBe(422);
  });

  it('stays when the workspace is deleted and its member removed', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'y'.repeat(40)}` });
    const { id } = await member.api.createWorkspace({ repository: 'acme/other', message: 'work' });
    const { runner, proxy } = await bench.started(id);
    await runner.start();
    await proxy.report(used(await proxy.lease()));
    const ofMember = { scope: 'member', subject: member.userId, limitUsd: 1, period: 'month' };
    const { body: budget } = await bench.api.post<{ id: string }>(bench.api.path('/budgets'), ofMember, 201);
    await bench.api.call('DELETE', bench.api.path(`/members/${member.userId}`), undefined, 204);
    await bench.delete(id);
    for (let look = 0; look < 5; look++) await bench.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
    expect(await lineOf('member', member.userId)).toMatchObject({ name: member.name, calls: 1 });
    expect(await lineOf('repository', 'github.com/acme/other')).toMatchObject({ calls: 1 });
    // Their budget stays what it was, for when they come back, until somebody takes it away; nobody sets one for who is not there.
    const path = bench.api.path(`/budgets/${budget.id}`);
    expect((await bench.api.get(path)).body).toMatchObject({ used: { calls: 1 } });
    expect((await bench.api.call('PUT', path, ofMember)).status).toBe(422);
    await bench.api.call('DELETE', path, undefined, 204);
  });
});
