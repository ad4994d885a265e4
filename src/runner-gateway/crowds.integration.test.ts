import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import type { RowWorkspace } from '../../test/trust/support/crowd.js';
import { rowWorkspaces } from '../../test/trust/support/crowd.js';
import { TestProxy } from '../../test/support/machines.js';
import { withClient } from '../../test/support/tables.js';
import { waitingForLock } from '../../test/support/rows.js';
import type { AuditEntryView } from '../contracts/index.js';

const SIZE = 30;

/** A crowd whose proxies ask at once is looked at and booked together; what is wrong with one of them is no matter of the others. */
describe('leases of a crowd', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const crowd = (userId = bench.owner.userId, organization = bench.organization, count = SIZE) =>
    rowWorkspaces(
      { urls: [bench.app.url], ownerUrl: bench.app.database.ownerUrl, organization },
      userId,
      count,
    );
  const ask = async ({ proxy }: RowWorkspace): Promise<number | string> => {
    const { status, body } = await proxy.tryLease();
    return status === 200 ? status : (body as unknown as { code: string }).code;
  };
  const sql = (text: string, values: unknown[] = []) =>
    withClient(bench.app.database.ownerUrl, (client) => client.query(text, values));
  const leased = async (all: RowWorkspace[]): Promise<{ n: number; together: number }> => {
    const { rows } = await sql(
      'SELECT count(*)::int AS n, count(DISTINCT xmin::text)::int AS together FROM lease WHERE workspace_id = ANY ($1)',
      [all.map(({ id }) => id)],
    );
    return rows[0] as { n: number; together: number };
  };

  it('are booked in few transactions, each once in the audit log, by its own request', async () => {
    const all = await crowd();
    const answers = await Promise.all(all.map(({ proxy }) => proxy.tryLease()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { n, together } = await leased(all);
    expect([n, together < SIZE / 2]).toEqual([SIZE, true]);
    const path = bench.api.path(`/audit?action=credential.used&limit=100`);
    const { items } = (await bench.api.get<{ items: AuditEntryView[] }>(path)).body;
    const requestOf = new Map(items.map(({ actor, requestId }) => [actor.id, requestId]));
    expect(items.filter(({ actor }) => all.some(({ id }) => id === actor.id))).toHaveLength(SIZE);
    for (const [at, { id }] of all.entries())
      expect(requestOf.get(id)).toBe(answers[at]?.headers.get('x-request-id'));
  });

  it('are given to nobody whose token is none, who asks among them', async () => {
    const all = await crowd();
    const strangers = all.map((_, n) => new TestProxy(bench.app, `nobody's ${n}`));
    const asked = [...strangers, ...all.map(({ proxy }) => proxy)].map((proxy) => proxy.tryLease());
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses).toEqual([...strangers.map(() => 401), ...all.map(() => 200)]);
  });

  it('are given to all but those that may have none, and nobody waits for a workspace that another holds', async () => {
    const all = await crowd();
    const [held, asleep, spent] = all;
    if (!held || !asleep || !spent) throw new Error('There is no crowd.');
    await sql(`UPDATE workspace SET state = 'hibernated', desired_state = 'hibernated' WHERE id = $1`, [
      asleep.id,
    ]);
    await sql(
      `INSERT INTO budget (id, organization_id, scope, subject, limit_tokens, period, alert_percent, created_at, updated_at)
       VALUES (gen_random_uuid(), $1, 'workspace', $2, 0, 'day', 80, now(), now())`,
      [bench.organization.id, spent.id],
    );
    await withClient(bench.app.database.ownerUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM workspace WHERE id = $1 FOR UPDATE', [held.id]);
      const waits = ask(held);
      const [first, second, ...rest] = await Promise.all(all.slice(1).map(ask));
      expect([first, second, new Set(rest)]).toEqual(['forbidden', 'budget-spent', new Set([200])]);
      await eventually('it waits', async () => (await waitingForLock(bench.app.database)) > 0);
      await client.query('COMMIT');
      expect(await waits).toBe(200);
    });
  });

  /** While another holds the row of this one. */
  const whileHeld = ({ id }: RowWorkspace, work: () => Promise<void>): Promise<void> =>
    withClient(bench.app.database.ownerUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM workspace WHERE id = $1 FOR UPDATE', [id]);
      await work();
      await client.query('COMMIT');
    });

  it('wait for nobody who asks alone, one after the other, and whose row another holds', async () => {
    const [held, other] = await crowd(undefined, undefined, 2);
    if (!held || !other) throw new Error('There is no crowd.');
    const waiting: Promise<number | string>[] = [];
    await whileHeld(held, async () => {
      for (let waits = 1; waits <= 2; waits++) {
        waiting.push(ask(held));
        await eventually('it waits', async () => (await waitingForLock(bench.app.database)) === waits);
      }
      expect(await ask(other)).toBe(200);
    });
    expect(await Promise.all(waiting)).toEqual([200, 200]);
  });

  it('are chosen anew where the row was waited for: what was removed meanwhile is not lent', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'d'.repeat(40)}` });
    const [one] = await crowd(member.userId, undefined, 1);
    if (!one) throw new Error('There is no crowd.');
    const now = performance.now.bind(performance);
    try {
      let asked: Promise<number | string> | undefined;
      await whileHeld(one, async () => {
        asked = ask(one);
        await eventually('it waits', async () => (await waitingForLock(bench.app.database)) > 0);
        await member.api.call(
          'DELETE',
          member.api.path('/credentials/user/anthropic_api_key'),
          undefined,
          204,
        );
        performance.now = () => now() + 2_000;
      });
      expect(await asked).toBe('no-agent-credential');
    } finally {
      performance.now = now;
    }
  });

  it('of one workspace that asks for several at once are each answered', async () => {
    const [one] = await crowd(undefined, undefined, 1);
    if (!one) throw new Error('There is no crowd.');
    const statuses = await Promise.all(Array.from({ length: 20 }, () => ask(one)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect((await leased([one])).n).toBe(1);
  });

  it('give to each member their own, and to nobody another’s', async () => {
    const others = await Promise.all(
      ['b', 'c'].map(async (letter) => {
        const member = await bench.app.member(bench.organization, 'member');
        const apiKey = `sk-ant-api03-${letter.repeat(40)}`;
        await member.api.setCredential('user', 'anthropic_api_key', { apiKey });
        return { apiKey, all: await crowd(member.userId, undefined, 10) };
      }),
    );
    const without = await bench.app.member(bench.organization, 'member');
    const alone = await crowd(without.userId, undefined, 1);
    const foreign = await bench.app.founded('other');
    const strangers = await crowd(foreign.owner.userId, foreign, 5);
    const given = await Promise.all([
      ...others.flatMap(({ all, apiKey }) =>
        all.map(async ({ proxy }) => [(await proxy.lease()).secret, { kind: 'anthropic_api_key', apiKey }]),
      ),
      ...[...alone, ...strangers].map(async (one) => [await ask(one), 'no-agent-credential']),
    ]);
    for (const [is, ought] of given) expect(is).toEqual(ought);
  });
});
