import { startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { tieGithub, tieLinear } from '../../../test/support/connections.js';
import { withClient } from '../../../test/support/tables.js';
import type { DeliveryView } from '../../contracts/index.js';
import { BerthError } from '../../kernel/index.js';
import { JobHandlers, JobQueue } from '../../queue/index.js';
import { Deliveries, type DeliveryToHandle, type Received } from '../index.js';
import { DeliveryJobs } from './delivery.jobs.js';

describe('deliveries', () => {
  let berth: TestApp;
  let acme: TestOrganization;
  let deliveries: Deliveries;
  let jobs: DeliveryJobs;
  const handled: DeliveryToHandle[] = [];
  const missed: string[] = [];
  let obstacle: Error | null = null;
  let made = 0;

  const received = (more: Partial<Received> = {}): Received => ({
    system: 'linear',
    deliveryId: `delivery-${++made}`,
    event: 'AgentSessionEvent',
    action: 'created',
    tenantKey: { linearOrganizationId: 'linear-of-acme' },
    body: '{"secret":"what was said"}',
    ...more,
  });
  const listed = async (deliveryId: string): Promise<DeliveryView | undefined> =>
    (await acme.owner.api.get<{ items: DeliveryView[] }>(acme.owner.api.path('/deliveries'))).body.items.find(
      (item) => item.deliveryId === deliveryId,
    );

  beforeAll(async () => {
    berth = await startTestApp();
    acme = await berth.founded('acme');
    // Their own ones, without the handlers of the integrations.
    const { database, system, world, log, metrics } = berth.parts;
    deliveries = new Deliveries(database, system, berth.app.get(JobQueue), world, log, metrics);
    const sweep = { also: () => undefined } as never;
    jobs = new DeliveryJobs(database, deliveries, world, log, metrics, new JobHandlers(), sweep);
    await tieLinear(berth.database.ownerUrl, acme.id, 'linear-of-acme');
    deliveries.handledBy('linear', (delivery) => {
      handled.push(delivery);
      if (obstacle) throw obstacle;
      return Promise.resolve({ outcome: 'ignored-in-a-test' });
    });
    deliveries.whenLate('linear', (organizationId) => {
      missed.push(organizationId);
      return Promise.resolve();
    });
  });
  afterAll(() => berth.close());
  beforeEach(() => {
    handled.length = 0;
    missed.length = 0;
    obstacle = null;
  });

  it('are stored once, however often they come at once, and handled once', async () => {
    const one = received();
    const answers = await Promise.all(Array.from({ length: 100 }, () => deliveries.receive(one)));
    expect(answers.filter((answer) => answer === 'new')).toHaveLength(1);
    const row = await listed(one.deliveryId);
    expect(row).toMatchObject({ state: 'received', outcome: null, attempts: 0 });
    await jobs.handle(acme.id, row?.id ?? '');
    await jobs.handle(acme.id, row?.id ?? '');
    expect(handled).toEqual([
      {
        organizationId: acme.id,
        id: row?.id,
        ...{ deliveryId: one.deliveryId, event: 'AgentSessionEvent', action: 'created' },
        body: { secret: 'what was said' },
      },
    ]);
    expect(await listed(one.deliveryId)).toMatchObject({
      state: 'processed',
      outcome: 'ignored-in-a-test',
      attempts: 1,
    });
    expect(await deliveries.receive(one)).toBe('again');
    expect(await listed(one.deliveryId)).toMatchObject({ state: 'processed', attempts: 1 });
  });

  it('that come in a crowd are each what they are: new, twice, late, nobody’s, of the other system', async () => {
    await tieGithub(berth.database.ownerUrl, acme.id, '7');
    const twice = received();
    const late = received({ isLate: true });
    const strange = received({ tenantKey: { linearOrganizationId: 'nobody' } });
    const unnamed = received({ tenantKey: null });
    const other = received({
      system: 'github',
      tenantKey: { installationId: '7' },
      body: '{"said":"\\"{}\\n"}',
    });
    const crowd = [twice, late, strange, unnamed, other, twice];
    const answers = await Promise.all(crowd.map((each) => deliveries.receive(each)));
    expect(answers).toEqual(['new', 'again', 'again', 'again', 'new', 'again']);
    const [nobodys, acmes] = [{ organization_id: null, body: null }, { organization_id: acme.id }];
    expect(await stored(twice.deliveryId)).toMatchObject({ ...acmes, state: 'received', body: twice.body });
    expect(await stored(late.deliveryId)).toMatchObject({ ...acmes, state: 'failed', body: null });
    for (const { deliveryId } of [strange, unnamed])
      expect(await stored(deliveryId)).toMatchObject({ ...nobodys, outcome: 'ignored-unknown-tenant' });
    expect(await stored(other.deliveryId)).toMatchObject({ ...acmes, system: 'github', body: other.body });
  });

  it('that need nothing are done as they come: no job is asked for, nothing of them is kept', async () => {
    const news = received({ outcome: 'ignored-issue' });
    const before = await berth.app.get(JobQueue).counts();
    expect(await deliveries.receive(news)).toBe('new');
    expect(await deliveries.receive(news)).toBe('again');
    expect(await berth.app.get(JobQueue).counts()).toEqual(before);
    expect(await stored(news.deliveryId)).toMatchObject({
      ...{ organization_id: acme.id, state: 'processed', outcome: 'ignored-issue', body: null },
      finished_at: expect.any(Date) as unknown,
    });
    await jobs.handle(acme.id, (await listed(news.deliveryId))?.id ?? '');
    expect(handled).toEqual([]);
    // Late all the same, where it is.
    expect(await deliveries.receive(received({ outcome: 'ignored-issue', isLate: true }))).toBe('again');
    const nobodys = received({ outcome: 'ignored-issue', tenantKey: null });
    expect(await deliveries.receive(nobodys)).toBe('again');
    expect(await stored(nobodys.deliveryId)).toMatchObject({ outcome: 'ignored-unknown-tenant' });
  });

  it('are taken in a crowd, and one that is wanted twice at once by one', async () => {
    const some = await Promise.all(
      [received(), received(), received()].map(async (one) => {
        await deliveries.receive(one);
        return (await listed(one.deliveryId))?.id ?? '';
      }),
    );
    const tries = await Promise.allSettled([...some, ...some].map((id) => jobs.handle(acme.id, id)));
    expect(handled.map(({ id }) => id).sort()).toEqual([...some].sort());
    const refused = tries.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    for (const reason of refused) expect(reason).toMatchObject({ code: 'not-ready' });
    expect(await Promise.all(handled.map(({ deliveryId }) => listed(deliveryId)))).toEqual(
      Array(some.length).fill(expect.objectContaining({ state: 'processed', attempts: 1 })),
    );
  });

  it('that are somebody’s whom nobody knows here are noted without what they say', async () => {
    const strange = received({ tenantKey: { linearOrganizationId: 'nobody' } });
    await deliveries.receive(strange);
    expect(await listed(strange.deliveryId)).toBeUndefined();
    const row = await stored(strange.deliveryId);
    expect(row).toMatchObject({ organization_id: null, body: null, outcome: 'ignored-unknown-tenant' });
  });

  it('that fail are tried again when they are delivered again, and those that may pass by themselves', async () => {
    const one = received();
    await deliveries.receive(one);
    const id = (await listed(one.deliveryId))?.id ?? '';
    obstacle = new BerthError('not-ready', 'Linear does not answer.', { retryAfterSeconds: 5 });
    await expect(jobs.handle(acme.id, id)).rejects.toMatchObject({ code: 'not-ready' });
    expect(await listed(one.deliveryId)).toMatchObject({
      state: 'received',
      error: 'Linear does not answer.',
    });
    obstacle = new TypeError('the body said: what was said');
    await jobs.handle(acme.id, id);
    const failed = await listed(one.deliveryId);
    expect(failed).toMatchObject({ state: 'failed', outcome: 'failed' });
    // What was thrown may hold anything.
    expect(failed?.error).not.toContain('what was said');
    obstacle = null;
    expect(await deliveries.receive(one)).toBe('new');
    await jobs.handle(acme.id, id);
    expect(await listed(one.deliveryId)).toMatchObject({ state: 'processed', error: null, attempts: 3 });
  });

  it('that waited for longer than a day have a day once what they waited for has come, or they are delivered again', async () => {
    const one = received();
    await deliveries.receive(one);
    const id = (await listed(one.deliveryId))?.id ?? '';
    await jobs.handle(acme.id, id);
    await withClient(berth.database.ownerUrl, (client) =>
      client.query(`UPDATE delivery SET received_at = now() - interval '3 days' WHERE id = $1`, [id]),
    );
    const away = new BerthError('not-ready', 'Linear does not answer.', { retryAfterSeconds: 5 });
    const broken = new TypeError('broken');
    await berth.parts.database.tenant(acme.id, (tenant) => deliveries.again(tenant, [id]));
    for (const begin of [() => Promise.resolve('new'), () => deliveries.receive(one)]) {
      expect(await begin()).toBe('new');
      obstacle = away;
      await expect(jobs.handle(acme.id, id)).rejects.toMatchObject({ code: 'not-ready' });
      expect(await listed(one.deliveryId)).toMatchObject({ state: 'received' });
      obstacle = broken;
      await jobs.handle(acme.id, id);
      expect(await listed(one.deliveryId)).toMatchObject({ state: 'failed' });
    }
  });

  it('are another’s while they are handled, and nobody’s any more when that one was silent', async () => {
    const one = received();
    await deliveries.receive(one);
    const id = (await listed(one.deliveryId))?.id ?? '';
    const claimed = (secondsAgo: number): Promise<void> =>
      withClient(berth.database.ownerUrl, async (client) => {
        await client.query(
          `UPDATE delivery SET state = 'processing', claim = $2, claimed_at = now() - make_interval(secs => $3) WHERE id = $1`,
          [id, berth.world.ids.next(), secondsAgo],
        );
      });
    await claimed(1);
    await expect(jobs.handle(acme.id, id)).rejects.toMatchObject({ code: 'not-ready' });
    expect(handled).toEqual([]);
    await claimed(60);
    await jobs.handle(acme.id, id);
    expect(await listed(one.deliveryId)).toMatchObject({ state: 'processed' });
  });

  it('that come late are noted, and what may have been missed is looked for; in time they are worked on', async () => {
    const one = received({ isLate: true });
    expect(await deliveries.receive(one)).toBe('again');
    expect(missed).toEqual([acme.id]);
    expect(await listed(one.deliveryId)).toMatchObject({ state: 'failed', outcome: 'late' });
    expect(await deliveries.receive({ ...one, isLate: false })).toBe('new');
    expect(await stored(one.deliveryId)).toMatchObject({ state: 'received', body: one.body });
  });

  it('whose job was lost are found by the sweep', async () => {
    const one = received();
    await deliveries.receive(one);
    await withClient(berth.database.ownerUrl, (client) =>
      client.query(`UPDATE delivery SET received_at = now() - interval '1 minute' WHERE delivery_id = $1`, [
        one.deliveryId,
      ]),
    );
    const id = (await listed(one.deliveryId))?.id;
    const now = berth.world.clock.now();
    const open = await berth.parts.system.deliveries.open(
      { now, lostBefore: new Date(now.getTime() - 30_000), staleBefore: now },
      10,
    );
    expect(open).toEqual([{ id, organizationId: acme.id }]);
  });

  it('are shown to members without what was delivered, and to nobody else', async () => {
    const other = await berth.founded('other');
    const page = await acme.owner.api.get<{ items: DeliveryView[] }>(acme.owner.api.path('/deliveries'));
    expect(page.body.items.length).toBeGreaterThan(3);
    expect(JSON.stringify(page.body)).not.toContain('what was said');
    expect(
      (await other.owner.api.get<{ items: [] }>(other.owner.api.path('/deliveries'))).body.items,
    ).toEqual([]);
  });

  async function stored(deliveryId: string): Promise<Record<string, unknown> | undefined> {
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query<Record<string, unknown>>('SELECT * FROM delivery WHERE delivery_id = $1', [deliveryId]),
    );
    return rows[0];
  }
});
