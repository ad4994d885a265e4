import { randomUUID } from 'node:crypto';
import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { BudgetView, Lease, ProxyReportItem } from '../contracts/index.js';

type Used = Extract<ProxyReportItem, { type: 'usage' }>;

/** A dollar of Sonnet's output. */
const DOLLAR = { inputTokens: 0, outputTokens: 66_666 + 1, cacheReadTokens: 0, cacheWriteTokens: 0 };

describe('budgets', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.start();
  });
  afterEach(() => bench.close());

  const used = ({ credentialId, generation }: Lease, more: Partial<Used> = {}): Used => ({
    id: randomUUID(),
    type: 'usage',
    credentialId,
    generation,
    model: 'claude-sonnet-4-6',
    ...DOLLAR,
    ...more,
  });
  const atWork = (): Promise<PlayedWorkspace> => bench.running({ message: 'work' });
  const path = (id = ''): string => bench.api.path(`/budgets${id}`);
  const set = async (budget: object): Promise<BudgetView> =>
    (await bench.api.post<BudgetView>(path(), { scope: 'organization', period: 'month', ...budget }, 201))
      .body;
  const show = async ({ id }: { id: string }): Promise<BudgetView> =>
    (await bench.api.get<BudgetView>(path(`/${id}`))).body;
  const change = async ({ id }: { id: string }, budget: object): Promise<BudgetView> => {
    const body = { scope: 'organization', period: 'month', ...budget };
    return (await bench.api.call<BudgetView>('PUT', path(`/${id}`), body, 200)).body;
  };
  const told = async (id: string): Promise<unknown[]> =>
    (await bench.eventsOf(id, 'budget.state')).map(({ data }) => data.state);
  const audited = async (): Promise<unknown[]> =>
    (await bench.sql(`SELECT action FROM audit_entry WHERE subject_type = 'budget' ORDER BY seq`)).map(
      ({ action }) => action,
    );

  it('a spent one lends nothing, says which it is, and people are told before and then, once', async () => {
    const { id, proxy } = await atWork();
    const lease = await proxy.lease();
    expect(lease.budgeted).toBeUndefined();
    const budget = await set({ limitUsd: 3, alertPercent: 60 });
    expect((await proxy.lease()).budgeted).toBe(true);
    await proxy.report(used(lease));
    expect(await told(id)).toEqual([]);
    const again = used(lease);
    await proxy.report(again);
    await proxy.report(again);
    expect(await show(budget)).toMatchObject({ used: { state: 'nearly-spent', calls: 2 } });
    expect((await proxy.tryLease()).status).toBe(200);
    await Promise.all([proxy.report(used(lease)), proxy.report(used(lease))]);
    expect(await told(id)).toEqual(['nearly-spent', 'spent']);
    expect(await audited()).toEqual(['budget.created', 'budget.nearly-spent', 'budget.spent']);
    const { status, body } = await proxy.tryLease();
    expect([status, body]).toMatchObject([
      403,
      {
        code: 'budget-spent',
        detail: expect.stringMatching(/monthly budget of the organization, \$3\.00, is spent/) as string,
      },
    ]);
    expect(await show(budget)).toMatchObject({ used: { state: 'spent', calls: 4, unknownCalls: 0 } });
    await change(budget, { limitUsd: 5 });
    expect((await proxy.tryLease()).status).toBe(200);
    expect(await show(budget)).toMatchObject({ limitUsd: 5, used: { state: 'nearly-spent', calls: 4 } });
    await bench.api.call('DELETE', path(`/${budget.id}`), undefined, 204);
    expect((await proxy.lease()).budgeted).toBeUndefined();
  });

  it('begins anew with its period, and counts what was used in it before it was set', async () => {
    const { proxy } = await atWork();
    const lease = await proxy.lease();
    await proxy.report(used(lease));
    const daily = await set({ limitUsd: 1, period: 'day' });
    const total = await set({ limitUsd: 2, period: 'total' });
    expect((await proxy.tryLease()).status).toBe(403);
    expect((await show(total)).used).toMatchObject({ from: null, until: null, calls: 1, state: 'open' });
    bench.clock.advance(24 * 3600 * 1000);
    expect((await show(daily)).used).toMatchObject({ calls: 0, usd: 0, state: 'open' });
    await proxy.report(used(await proxy.lease()));
    const { body } = await proxy.tryLease();
    expect((body as unknown as { detail: string }).detail).toMatch(/is spent/);
    expect((await show(total)).used).toMatchObject({ calls: 2, state: 'spent' });
  });

  it('of a member, a repository or a workspace is theirs alone', async () => {
    const [mine, other] = [
      await atWork(),
      await bench.running({ repository: 'acme/other', message: 'work' }),
    ];
    const member = await bench.app.member(bench.organization, 'member');
    await set({ scope: 'member', subject: member.userId, limitTokens: 0, period: 'day' });
    const ofRepository = await set({
      scope: 'repository',
      subject: 'https://github.com/acme/other.git',
      limitUsd: 1,
    });
    expect(ofRepository.subject).toBe('github.com/acme/other');
    await other.proxy.report(used(await other.proxy.lease()));
    expect((await other.proxy.tryLease()).status).toBe(403);
    expect((await mine.proxy.lease()).budgeted).toBeUndefined();
    const ofWorkspace = await set({
      scope: 'workspace',
      subject: mine.id,
      limitTokens: 100,
      period: 'total',
    });
    const lease = await mine.proxy.lease();
    await mine.proxy.report(used(lease, { inputTokens: 90, outputTokens: 5, cacheReadTokens: 5 }));
    expect((await mine.proxy.tryLease()).status).toBe(403);
    expect((await show(ofWorkspace)).used).toMatchObject({ tokens: 100, state: 'spent' });
  });

  it('in dollars is not used by subscriptions; in tokens it is', async () => {
    const token = `sk-ant-oat01-${'t'.repeat(80)}`;
    await bench.api.setCredential('user', 'claude_setup_token', { token });
    const { proxy } = await atWork();
    const lease = await proxy.lease();
    expect(lease.secret.kind).toBe('claude_setup_token');
    const dollars = await set({ limitUsd: 0 });
    expect((await proxy.lease()).budgeted).toBeUndefined();
    await proxy.report(used(lease));
    expect((await show(dollars)).used).toMatchObject({ usd: 0, calls: 1 });
    await set({ limitTokens: 1000 });
    expect((await proxy.tryLease()).status).toBe(403);
  });

  it('is used by calls of which nobody said what they used', async () => {
    const { proxy } = await atWork();
    const lease = await proxy.lease();
    const budget = await set({ limitUsd: 1 });
    const silent = { inputTokens: null, outputTokens: null, cacheReadTokens: null, cacheWriteTokens: null };
    const atMost = { inputTokens: 1000, outputTokens: 100_000 };
    await proxy.report(used(lease, { ...silent, atMost }));
    expect((await show(budget)).used).toMatchObject({
      state: 'spent',
      usd: 1.503,
      estimatedUsd: 1.503,
      unknownCalls: 1,
    });
    // The same when it is added up anew.
    expect((await change(budget, { limitUsd: 2 })).used).toMatchObject({
      usd: 1.503,
      estimatedUsd: 1.503,
      unknownCalls: 1,
    });
  });

  it('sums are the ledger’s, however many report at once while budgets are set', async () => {
    const workspaces = await Promise.all(Array.from({ length: 4 }, () => atWork()));
    const first = await set({ limitUsd: 1000 });
    const [set1] = await Promise.all([
      set({ limitTokens: 1_000_000_000 }),
      ...workspaces.map(async ({ proxy }) => {
        const lease = await proxy.lease();
        for (let call = 0; call < 5; call++) await proxy.report(used(lease), used(lease));
      }),
      change(first, { limitUsd: 900 }),
    ]);
    const [ledger] = await bench.sql(
      'SELECT count(*)::int AS calls, sum(weight_nano)::float8 AS nano, sum(weight_tokens)::float8 AS tokens FROM usage_entry',
    );
    for (const budget of [first, set1]) {
      const { calls, usd, tokens } = (await show(budget)).used;
      expect({ calls, usd, tokens }).toEqual({
        calls: ledger?.calls,
        usd: Number(ledger?.nano) / 1e9,
        tokens: ledger?.tokens,
      });
    }
    expect(ledger?.calls).toBe(40);
  });

  it('a turn that was stopped by one says so, and is not tried again', async () => {
    const { id, proxy, runner } = await atWork();
    const turn = await runner.claim();
    const lease = await proxy.lease();
    const budget = await set({ limitUsd: 1 });
    await proxy.report(proxy.served(lease), used(lease));
    expect((await proxy.tryLease()).status).toBe(403);
    const code = 'agent-authentication';
    await runner.report(runner.finished(turn, { result: 'failed', code, message: 'Refused.' }));
    const [message] = await bench.api.messages(id);
    expect(message).toMatchObject({ state: 'failed', attempts: 1, error: { code: 'budget-spent' } });
    expect(message?.error?.message).toMatch(/budget of the organization, \$1\.00, is spent/);

    // Where it is raised in time, a failure for another reason says its own.
    const { id: second } = await bench.api.send(id, 'go on');
    const next = await runner.claim();
    expect((await proxy.tryLease()).status).toBe(403);
    await change(budget, { limitUsd: 100 });
    await proxy.report(proxy.served(await proxy.lease()));
    await runner.report(
      runner.finished(next, { result: 'failed', code: 'agent-crashed', message: 'It crashed.' }),
    );
    const error = (await bench.api.messages(id)).find((one) => one.id === second)?.error;
    expect(error?.code).toBe('agent-crashed');
  });

  it('for nobody, a stranger, or with limits that are none, is refused', async () => {
    const refused: [string, object][] = [
      ['nobody', { scope: 'member', limitUsd: 1 }],
      ['a stranger', { scope: 'member', subject: randomUUID(), limitUsd: 1 }],
      ['a workspace that is not there', { scope: 'workspace', subject: randomUUID(), limitUsd: 1 }],
      ['no repository', { scope: 'repository', subject: '--upload-pack=x', limitUsd: 1 }],
      ['the organization by name', { subject: 'acme', limitUsd: 1 }],
      ['no limit', {}],
      ['two limits', { limitUsd: 1, limitTokens: 1 }],
      ['less than nothing', { limitUsd: -1 }],
      ['parts of a cent', { limitUsd: 0.001 }],
      ['a year', { limitUsd: 1, period: 'year' }],
    ];
    for (const [whose, budget] of refused) {
      const body = { scope: 'organization', period: 'month', ...budget };
      expect([whose, (await bench.api.call('POST', path(), body)).status]).toEqual([whose, 422]);
    }
  });
});
