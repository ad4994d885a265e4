import { eventually } from '../../../test/support/eventually.js';
import { getTokens, LoginGround } from '../../../test/support/login-ground.js';
import type { FailureRule } from '../../../test/emulators/failures.js';
import { DueRenewals } from '../index.js';
import type { CredentialView, Resolution } from '../../contracts/index.js';

const API_KEY = { apiKey: `sk-ant-api03-${'x'.repeat(40)}` };
const REFRESH = { grant: 'refresh_token' };

let ground: LoginGround;
let id: string;
let workspace: string;
let generation: number;

beforeAll(async () => {
  ground = await LoginGround.start();
  [workspace = ''] = await ground.workspaces(1);
});
afterAll(() => ground.close());
/** Each begins with a login that has just run out for Berth, and that the provider still renews. */
beforeEach(async () => {
  ground.claude.reset();
  ({ id, generation } = await ground.newLogin());
  await ground.runOut();
});

const chosenReason = async (): Promise<string | undefined> =>
  (await ground.api.get<Resolution>(ground.api.path('/credentials/resolution?agent=claude'))).body.chosen
    ?.reason;
/** An open renewal as a process that was killed leaves it behind. */
const abandon = (called: boolean) =>
  ground.sql(
    `INSERT INTO credential_rotation (id, organization_id, credential_id, lineage, generation, reason, state, owner, heartbeat_at, started_at, called_at)
     SELECT $2, organization_id, id, lineage, generation, 'expired', 'open', gen_random_uuid(), now() - interval '21 s', now() - interval '25 s', ${called ? "now() - interval '25 s'" : 'null'}
       FROM credential WHERE id = $1`,
    [id, ground.app().world.ids.next()],
  );
const newest = async () => (await ground.rotations())[0];

describe('a renewal', () => {
  it('is carried out once, however many workers are told to at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => ground.renew(id, generation, n)));
    expect(ground.exchanges).toEqual({ renewed: 1, reused: 0 });
    await Promise.all(Array.from({ length: 20 }, (_, n) => ground.renew(id, generation, n)));
    expect(ground.exchanges).toEqual({ renewed: 1, reused: 0 });
    expect(await ground.isHonored()).toBe(true);
  });

  it('whose answer comes after a new login changes nothing about that', async () => {
    ground.claude.fail({ mode: 'hold-after', match: REFRESH });
    const late = ground.renew(id, generation);
    await eventually('the provider was asked', () => ground.claude.logins.held === 1);
    const fresh = await ground.newLogin();
    expect(fresh.generation).toBe(generation + 1);
    ground.claude.logins.release();
    await late;
    expect(await newest()).toMatchObject({ generation, state: 'superseded' });
    expect(await ground.shown()).toMatchObject({
      generation: fresh.generation,
      hint: fresh.hint,
      status: 'active',
    });
    expect(await ground.isHonored()).toBe(true);
  });

  it('keeps what the provider answered until it can be stored', async () => {
    const mend = await ground.breakWrites();
    const renewed = ground.renew(id, generation);
    await eventually('the provider has answered', () => ground.exchanges.renewed === 1);
    await eventually('storing failed', async () => {
      const text = await (await fetch(`${ground.app().url}/metrics`)).text();
      return /berth_credential_store_retries_total\{kind="claude_oauth"\} [3-9]/.test(text);
    });
    expect((await ground.shown()).generation).toBe(generation);
    // Nobody calls meanwhile: the process that has the answer lives.
    await ground.renew(id, generation, 1);
    await mend();
    await renewed;
    expect((await ground.shown()).generation).toBe(generation + 1);
    expect(ground.exchanges).toEqual({ renewed: 1, reused: 0 });
    expect(await ground.isHonored()).toBe(true);
  });

  it('that a process left behind before it called is made anew', async () => {
    await abandon(false);
    expect((await ground.lease(workspace)).generation).toBe(generation + 1);
    expect((await ground.rotations()).map(({ state }) => state).slice(0, 2)).toEqual(['succeeded', 'failed']);
    expect(ground.exchanges).toEqual({ renewed: 1, reused: 0 });
  });

  it('that a process left behind after it called is not made again, and said to be lost', async () => {
    await abandon(true);
    await expect(ground.lease(workspace)).rejects.toMatchObject({ code: 'no-agent-credential' });
    const { status, lastError } = await ground.shown();
    expect(status).toBe('rejected');
    expect(lastError).toContain('reconnect it');
    expect(await newest()).toMatchObject({ state: 'unknown' });
    expect(ground.exchanges).toEqual({ renewed: 0, reused: 0 });
    // Never a loop: asked again and again, nobody calls.
    await ground.renew(id, generation);
    expect(ground.claude.logins.calls).toEqual([]);
  });

  it('that was taken for lost counts when its process answers after all', async () => {
    ground.claude.fail({ mode: 'hold-after', match: REFRESH });
    const late = ground.renew(id, generation);
    await eventually('the provider was asked', () => ground.claude.logins.held === 1);
    await ground.sql(
      `UPDATE credential_rotation SET heartbeat_at = now() - interval '1 hour' WHERE state = 'open'`,
    );
    await ground.renew(id, generation, 1);
    expect((await ground.shown()).status).toBe('rejected');
    ground.claude.logins.release();
    await late;
    expect(await ground.shown()).toMatchObject({
      status: 'active',
      generation: generation + 1,
      lastError: null,
    });
    expect(await newest()).toMatchObject({ state: 'succeeded' });
    expect(await ground.isHonored()).toBe(true);
  });

  it.each(['lost-answer', 'garbage', 'huge', 'cut-mid-stream', 'cut-before-head'] as const)(
    'with %s is not made again',
    async (mode) => {
      ground.claude.fail({ mode, match: REFRESH });
      await expect(ground.lease(workspace)).rejects.toMatchObject({ code: 'no-agent-credential' });
      expect(await ground.shown()).toMatchObject({ status: 'rejected' });
      expect(await newest()).toMatchObject({ state: 'unknown' });
      expect(ground.claude.logins.calls).toHaveLength(1);
    },
  );

  it('whose answer was lost is asked for once more where the provider says that it answers again', async () => {
    ground.claude.logins.configure({ graceSeconds: 60 });
    getTokens(ground, (claude) => ({ graceSeconds: 60, renew: (request) => claude.renew(request) }));
    ground.claude.fail({ mode: 'lost-answer', match: REFRESH });
    expect((await ground.lease(workspace)).generation).toBe(generation + 1);
    expect(ground.claude.logins.calls.map(({ outcome }) => outcome)).toEqual(['renewed', 'replayed']);
    expect(await ground.isHonored()).toBe(true);
    // Once: a second answer that is lost is the end.
    await ground.runOut();
    ground.claude.fail({ mode: 'lost-answer', match: REFRESH, times: 2 });
    await expect(ground.lease(workspace)).rejects.toMatchObject({ code: 'no-agent-credential' });
    expect(ground.claude.logins.calls.map(({ outcome }) => outcome).slice(2)).toEqual([
      'renewed',
      'replayed',
    ]);
    ground.claude.logins.configure({ graceSeconds: 0 });
    getTokens(ground, (claude) => claude);
  });

  it.each<[string, FailureRule, string]>([
    ['an error', { status: 500 }, 'status 500'],
    ['too many requests, with a wait of 0', { status: 429, headers: { 'retry-after': '0' } }, 'status 429'],
    ['a redirect, which it does not follow', { mode: 'redirect' }, 'sends elsewhere (status 307)'],
    ['a page of somebody before it', { mode: 'html', status: 403 }, 'status 403'],
  ])('that meets %s is tried again, and the waiting lease gets the token', async (_, failure, shown) => {
    ground.claude.fail({ ...failure, match: REFRESH });
    expect((await ground.lease(workspace)).generation).toBe(generation + 1);
    const [last, first] = await ground.rotations();
    expect([last?.state, first?.state]).toEqual(['succeeded', 'failed']);
    expect(first?.message).toContain(shown);
    expect(ground.exchanges).toEqual({ renewed: 1, reused: 0 });
  });

  it('goes on to serve what was not refused while renewing it fails', async () => {
    await ground.sql(
      `UPDATE credential SET expires_at = now() + interval '10 min', renew_at = now() WHERE id = $1`,
      [id],
    );
    ground.claude.fail({ status: 503, match: REFRESH, times: 'always' });
    await ground.renew(id, generation);
    expect(await ground.shown()).toMatchObject({ status: 'refreshing', generation });
    expect((await ground.lease(workspace)).generation).toBe(generation);
    // Not again at once.
    await ground.renew(id, generation);
    expect(ground.claude.logins.calls).toHaveLength(1);
  });
});

it('a pair that had run out when it was brought is refused, and what was there goes on', async () => {
  const { accessToken, refreshToken } = ground.claude.logins.issue();
  const body = { accessToken, refreshToken, expiresAt: '2020-01-01T00:00:00Z' };
  expect(await ground.api.call('PUT', ground.path(), body)).toMatchObject({
    status: 422,
    body: { detail: expect.stringContaining('this pair was copied too long ago') as unknown },
  });
  expect(await ground.shown()).toMatchObject({ generation, status: 'active' });
});

describe('what cannot be renewed', () => {
  beforeAll(() => ground.api.setCredential('user', 'anthropic_api_key', API_KEY));
  afterAll(() =>
    ground.api.call('DELETE', ground.api.path('/credentials/user/anthropic_api_key'), undefined, 204),
  );

  it('gives way to the next one when the provider ended it: said, booked, told and counted', async () => {
    // Another copy of the login used its refresh token.
    ground.claude.fail({ status: 400, body: { error: 'invalid_grant' }, match: REFRESH });
    const lease = await ground.lease(workspace);
    expect(lease.secret).toEqual({ kind: 'anthropic_api_key', ...API_KEY });
    expect(await ground.shown()).toMatchObject({
      status: 'rejected',
      lastError: 'Claude refused the login (invalid_grant)',
    });
    expect(await chosenReason()).toContain("the member's own Claude login was rejected by the provider");
    const booked = await ground.sql(
      `SELECT action, details->>'reason' AS reason FROM audit_entry WHERE subject_id = $1 AND action = 'credential.rejected' ORDER BY seq`,
      [id],
    );
    expect(booked.at(-1)?.reason).toBe('Claude refused the login (invalid_grant)');
    const fell = await ground.sql(
      `SELECT 1 FROM audit_entry WHERE action = 'credential.fallback' AND subject_id = $1`,
      [lease.credentialId],
    );
    expect(fell).toHaveLength(1);
    await eventually(
      'the workspace was told',
      async () =>
        (
          await ground.sql(`SELECT 1 FROM event WHERE workspace_id = $1 AND type = 'credential.state'`, [
            workspace,
          ])
        ).length > 0,
    );
    // Renewed no more, whoever asks.
    await ground.renew(id, generation);
    expect(ground.claude.logins.calls).toHaveLength(1);
  });

  it('gives way for a while when the provider does not answer for long, and serves again when it does', async () => {
    ground.claude.fail({ status: 503, match: REFRESH, times: 'always' });
    for (let n = 0; n < 5; n++) {
      await ground.sql('UPDATE credential SET retry_at = NULL WHERE id = $1', [id]);
      await ground.renew(id, generation);
    }
    expect((await ground.lease(workspace)).secret.kind).toBe('anthropic_api_key');
    expect(await chosenReason()).toContain('could not be renewed');
    expect(await ground.shown()).toMatchObject({ status: 'refreshing' });
    ground.claude.reset();
    await ground.sql('UPDATE credential SET retry_at = now() WHERE id = $1', [id]);
    await ground.renew(id, generation);
    expect((await ground.lease(workspace)).secret.kind).toBe('claude_oauth');
  });
});

describe('renewing by hand', () => {
  it('answers the new generation, and says why where there is nothing to renew', async () => {
    const { body } = await ground.api.post<CredentialView>(ground.path('user', '/rotate'), undefined, 200);
    expect(body).toMatchObject({ id, generation: generation + 1, status: 'active' });
    expect(await newest()).toMatchObject({ reason: 'forced', state: 'succeeded' });
    await ground.api.setCredential('user', 'anthropic_api_key', API_KEY);
    const path = ground.api.path('/credentials/user/anthropic_api_key');
    expect(await ground.api.call('POST', `${path}/rotate`)).toMatchObject({
      status: 409,
      body: {
        code: 'not-rotatable',
        detail:
          'Berth cannot renew this Anthropic API key: it is as it was set. Make a new one at the provider and set it here (berth credentials set anthropic_api_key; or PUT).',
      },
    });
    await ground.api.call('DELETE', path, undefined, 204);
    expect((await ground.api.call('POST', `${path}/rotate`)).status).toBe(404);
  });

  it('is done once for an Idempotency-Key, with no transaction open while the provider is waited for', async () => {
    const before = ground.exchanges.renewed;
    const ask = () =>
      fetch(`${ground.app().url}${ground.path('user', '/rotate')}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ground.organization.owner.apiKey}`, 'idempotency-key': id },
      });
    ground.claude.fail({ mode: 'hold-before', match: REFRESH });
    const first = ask();
    await eventually('the provider was asked', () => ground.claude.logins.held === 1);
    const open = `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
    await eventually('no transaction is open', async () => (await ground.sql(open))[0]?.open === 0);
    expect((await ask()).status).toBe(409);
    ground.claude.logins.release();
    const [told, again] = [await first, await ask()];
    expect([told.status, again.status]).toEqual([200, 200]);
    expect(await again.text()).toBe(await told.text());
    expect(ground.exchanges.renewed).toBe(before + 1);
  });

  it('is not for members where the login is the organization’s, who may see it', async () => {
    await ground.newLogin('organization');
    const member = await ground.app().member(ground.organization, 'member');
    const path = member.api.path('/credentials/organization/claude_oauth');
    expect((await member.api.call('POST', `${path}/rotate`)).status).toBe(403);
    expect((await member.api.call('GET', path)).status).toBe(200);
    expect((await member.api.call('GET', `${path}/rotations`)).status).toBe(200);
    expect((await member.api.call('GET', member.api.path('/credentials/user/claude_oauth'))).status).toBe(
      404,
    );
  });
});

describe('the sweep', () => {
  const due = (at = 0) => ground.app(at).app.get(DueRenewals, { strict: false }).askForAll();

  it('has renewed what is due and used by something that lives, and leaves the rest alone until it is used', async () => {
    await ground.sql(`UPDATE credential SET expires_at = now() + interval '10 min' WHERE id = $1`, [id]);
    await ground.sql('DELETE FROM lease');
    await due();
    // Nobody uses it: not due any more, and never asked for.
    expect(await ground.sql('SELECT renew_at FROM credential WHERE id = $1', [id])).toEqual([
      { renew_at: null },
    ]);
    expect(ground.claude.logins.calls).toEqual([]);
    // Used again, it is renewed at once, and serves meanwhile.
    expect((await ground.lease(workspace)).generation).toBe(generation);
    await eventually('it is renewed', async () => (await ground.shown()).generation === generation + 1);
    await ground.lease(workspace);
    await ground.sql('UPDATE credential SET renew_at = now() WHERE id = $1', [id]);
    await Promise.all([due(0), due(1)]);
    await eventually(
      'the sweep had it renewed',
      async () => (await ground.shown()).generation === generation + 2,
    );
    // Asleep, it costs nothing.
    await ground.sql(`UPDATE workspace SET state = 'hibernated' WHERE id = $1`, [workspace]);
    await ground.sql('UPDATE credential SET renew_at = now() WHERE id = $1', [id]);
    await due();
    expect(await ground.sql('SELECT renew_at FROM credential WHERE id = $1', [id])).toEqual([
      { renew_at: null },
    ]);
    await ground.sql(`UPDATE workspace SET state = 'running' WHERE id = $1`, [workspace]);
    expect(ground.exchanges).toEqual({ renewed: 2, reused: 0 });
  });

  it('looks after the other organizations though one’s rows cannot be written', async () => {
    const { owner } = await ground.app().founded('globex');
    const { accessToken, refreshToken, expiresAt } = ground.claude.logins.issue();
    const pair = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    // Comes after it, since ids are made in order.
    const path = owner.api.path('/credentials/user/claude_oauth');
    const { body: theirs } = await owner.api.call<CredentialView>('PUT', path, pair, 200);
    await ground.sql('DELETE FROM lease');
    const both = [id, theirs.id];
    await ground.sql('UPDATE credential SET renew_at = now() WHERE id = ANY ($1)', [both]);
    await ground.sql(
      `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
       CREATE TRIGGER broken BEFORE UPDATE ON credential FOR EACH ROW WHEN (NEW.id = '${id}') EXECUTE FUNCTION broken()`,
    );
    const left = `SELECT id FROM credential WHERE renew_at IS NOT NULL AND id = ANY ($1)`;
    try {
      await due();
      expect(await ground.sql(left, [both])).toEqual([{ id }]);
    } finally {
      await ground.sql('DROP FUNCTION broken CASCADE');
    }
    await due();
    expect(await ground.sql(left, [both])).toEqual([]);
  });

  it('finds a renewal whose process is gone, and says that the login is lost', async () => {
    await abandon(true);
    await due();
    await eventually('it is said', async () => (await ground.shown()).status === 'rejected');
    expect(ground.claude.logins.calls).toEqual([]);
  });
});
