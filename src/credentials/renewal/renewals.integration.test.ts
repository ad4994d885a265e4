import { v7 } from 'uuid';
import { TestRedis } from '../../../test/support/redis.js';
import { eventually } from '../../../test/support/eventually.js';
import { LoginGround } from '../../../test/support/login-ground.js';

/** Enough for a crowd, and quick; F1 plays 1,000. */
const CROWD = 60;

describe.each(['Postgres', 'Redis'])('a login that many use, with queue and notices on %s', (store) => {
  let redis: TestRedis | null;
  let ground: LoginGround;
  let ids: string[];

  beforeAll(async () => {
    redis = store === 'Redis' ? await TestRedis.start() : null;
    ground = await LoginGround.start({ redisUrl: redis?.url });
    ids = await ground.workspaces(CROWD);
  });
  afterAll(async () => {
    await ground.close();
    await redis?.remove();
  });

  it('is renewed by one call when it runs out, and all who asked get the new token', async () => {
    const { generation } = await ground.newLogin();
    await ground.runOut();
    const before = ground.exchanges.renewed;
    const leases = await Promise.all(ids.map((id, n) => ground.lease(id, n)));
    expect(new Set(leases.map((lease) => lease.generation))).toEqual(new Set([generation + 1]));
    expect(ground.exchanges).toEqual({ renewed: before + 1, reused: 0 });
    expect((await ground.rotations())[0]).toMatchObject({
      generation,
      nextGeneration: generation + 1,
      reason: 'expired',
      state: 'succeeded',
    });
  });

  it('is renewed by one call when all report that it is refused, and old reports of it renew nothing', async () => {
    const { credentialId, generation } = await ground.lease(ids[0] ?? '');
    await Promise.all(ids.map((id, n) => ground.lease(id, n)));
    const before = ground.exchanges.renewed;
    const report = { credentialId, generation, status: 401, errorType: 'authentication_error' };
    await Promise.all(ids.map((id, n) => ground.report('refused', id, report, n)));
    const leases = await Promise.all(ids.map((id, n) => ground.lease(id, n)));
    expect(new Set(leases.map((lease) => lease.generation))).toEqual(new Set([generation + 1]));
    await Promise.all(ids.map((id, n) => ground.report('refused', id, report, n)));
    expect((await ground.lease(ids[0] ?? '')).generation).toBe(generation + 1);
    expect(ground.exchanges).toEqual({ renewed: before + 1, reused: 0 });
    expect((await ground.rotations())[0]).toMatchObject({ reason: 'rejected', state: 'succeeded' });
  });

  it('has a history of ninety days', async () => {
    const { id } = await ground.newLogin();
    // One that tidies up behind it.
    const generation = 17;
    await ground.sql(`UPDATE credential SET generation = $1 WHERE id = $2`, [generation, id]);
    const days = (ago: number): Date => new Date(Date.now() - ago * 24 * 3600 * 1000);
    const begun = [days(91), days(91), days(89)];
    const rows = begun.map((at, n) => ({
      id: v7({ msecs: at.getTime() }),
      at,
      state: n === 0 ? 'open' : 'failed',
    }));
    for (const { id: row, at, state } of rows)
      await ground.sql(
        `INSERT INTO credential_rotation (id, organization_id, credential_id, lineage, generation, reason, state, owner, heartbeat_at, started_at)
         SELECT $1, organization_id, id, gen_random_uuid(), 0, 'due', $2, gen_random_uuid(), now(), $3 FROM credential WHERE id = $4`,
        [row, state, at, id],
      );
    await ground.runOut();
    await ground.renew(id, generation);
    const kept = (await ground.rotations()).map((rotation) => rotation.id);
    expect(kept.filter((one) => rows.some((row) => row.id === one))).toEqual([rows[2]?.id, rows[0]?.id]);
  });

  it('is taken back from the proxies of every host when it was renewed', async () => {
    const { id } = await ground.shown();
    for (const app of ground.apps)
      await eventually('the host’s proxy was told', () => app.runtime.forgotten.includes(id));
  });

  it('is renewed before it runs out while it serves, without anybody waiting', async () => {
    const { id, generation } = await ground.newLogin();
    await ground.sql(`UPDATE credential SET renew_at = now() WHERE id = $1`, [id]);
    const held = ground.claude.logins.held;
    ground.claude.fail({ mode: 'hold-before', match: { grant: 'refresh_token' } });
    // Served at once by the one that is there, although the provider does not answer.
    expect((await ground.lease(ids[0] ?? '')).generation).toBe(generation);
    await eventually('the provider was asked', () => ground.claude.logins.held === held + 1);
    ground.claude.logins.release();
    await eventually('it is renewed', async () => (await ground.shown()).generation === generation + 1);
    expect((await ground.rotations())[0]).toMatchObject({ reason: 'due', state: 'succeeded' });
    const metrics = await Promise.all(
      ground.apps.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
    );
    const saved = /^berth_credential_saved_seconds_count\{kind="claude_oauth"\} (\d+)$/m;
    // Those that ran out or were refused before made everybody wait.
    expect(metrics.map((text) => Number(saved.exec(text)?.[1] ?? 0)).reduce((a, b) => a + b)).toBe(1);
  });
});
