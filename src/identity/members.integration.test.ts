import type { Api } from '../../test/support/api.js';
import type { TestMember } from '../../test/support/app.js';
import { API_KEY, Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { requestJson } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import type { MemberView, Role, WorkspaceView } from '../contracts/index.js';
import { newApiKey } from './api-key.js';
import { hashPassword } from './password.js';

let bench: Bench;
let owner: Api;
beforeAll(async () => {
  bench = await Bench.start();
  owner = bench.api;
});
afterAll(() => bench.close());

const SECRETS: Record<string, object> = {
  'user/anthropic_api_key': { apiKey: `${API_KEY}-again` },
  'user/claude_setup_token': { token: 'sk-ant-oat01-race-token-00000001' },
  'user/openai_api_key': { apiKey: 'sk-proj-race-key-00000001' },
};
const joined = (role: Role): Promise<TestMember> => bench.app.member(bench.organization, role);
const memberPath = (userId: string): string => owner.path(`/members/${userId}`);
const setRole = (by: Api, userId: string, role: Role) => by.call('PATCH', memberPath(userId), { role });
const remove = (by: Api, userId: string) => by.call('DELETE', memberPath(userId));

async function roles(): Promise<Map<string, Role>> {
  const { body } = await owner.get<{ items: MemberView[] }>(owner.path('/members?limit=100'));
  return new Map(body.items.map(({ id, role }) => [id, role]));
}

/** A member with a workspace of their own in which a turn is under way. */
async function atWork() {
  const member = await joined('member');
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  const { id } = await member.api.createWorkspace({ repository: 'acme/app', message: 'work' });
  const played = await bench.started(id);
  await played.runner.start();
  return { member, ...played, turn: await played.runner.claim() };
}

describe('a role', () => {
  it('that was given or taken counts from the next request on', async () => {
    const { api, userId } = await joined('member');
    const path = api.path('/invitations');
    expectProblem(await api.call('GET', path), 403, 'forbidden');
    const { body } = await setRole(owner, userId, 'admin');
    expect(body).toMatchObject({ id: userId, role: 'admin' });
    await api.get(path);
    expect((await setRole(owner, userId, 'member')).status).toBe(200);
    expectProblem(await api.call('GET', path), 403, 'forbidden');
  });

  it('is lowered by oneself and never raised', async () => {
    const admin = await joined('admin');
    expectProblem(await setRole(admin.api, admin.userId, 'owner'), 403, 'forbidden');
    expect((await setRole(admin.api, admin.userId, 'member')).status).toBe(200);
    expectProblem(await setRole(admin.api, admin.userId, 'admin'), 403, 'forbidden');
  });

  it('of an owner or admin is no admin’s to change', async () => {
    const [admin, peer, member] = await Promise.all([joined('admin'), joined('admin'), joined('member')]);
    for (const userId of [peer.userId, bench.owner.userId]) {
      expectProblem(await setRole(admin.api, userId, 'member'), 403, 'forbidden');
      expectProblem(await remove(admin.api, userId), 403, 'forbidden');
    }
    expectProblem(await setRole(admin.api, member.userId, 'owner'), 403, 'forbidden');
    expect((await setRole(admin.api, member.userId, 'admin')).status).toBe(200);
  });

  it('takes no other field, and no role that is none', async () => {
    const { userId } = await joined('member');
    for (const body of [{ role: 'king' }, { role: 'admin', userId: bench.owner.userId }, {}, { role: null }])
      expectProblem(await owner.call('PATCH', memberPath(userId), body), 422, 'validation-failed');
  });
});

describe('the last owner', () => {
  it('stays', async () => {
    expectProblem(await remove(owner, bench.owner.userId), 409, 'last-owner');
    expectProblem(await setRole(owner, bench.owner.userId, 'admin'), 409, 'last-owner');
  });

  it('stays also when two owners act upon each other, or both leave, at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const second = await joined('owner');
      const acts = await Promise.all(
        round % 2
          ? [remove(second.api, second.userId), setRole(owner, bench.owner.userId, 'admin')]
          : [setRole(owner, second.userId, 'member'), setRole(second.api, bench.owner.userId, 'member')],
      );
      const left = [...(await rolesInRows()).entries()].filter(([, role]) => role === 'owner');
      expect({ round, owners: left.length, acts: acts.map(({ status }) => status).sort() }).toMatchObject({
        owners: 1,
      });
      expect(acts.filter(({ status }) => status >= 500)).toEqual([]);
      // Whoever lost: the owner of this test is one again, and alone.
      await bench.sql(`UPDATE member SET role = 'owner' WHERE user_id = $1`, [bench.owner.userId]);
      await bench.sql(`DELETE FROM member WHERE user_id = $1`, [second.userId]);
    }
  });

  async function rolesInRows(): Promise<Map<string, unknown>> {
    const rows = await bench.sql('SELECT user_id, role FROM member WHERE organization_id = $1', [
      bench.organization.id,
    ]);
    return new Map(rows.map(({ user_id, role }) => [String(user_id), role]));
  }
});

describe('who is removed', () => {
  it('has no key, no session’s organization and no credential here any more', async () => {
    const { member } = await atWork();
    const [email, password] = [member.email, 'correct horse battery'];
    await bench.sql('UPDATE "user" SET password_hash = $1 WHERE id = $2', [
      await hashPassword(password),
      member.userId,
    ]);
    const signIn = await requestJson(`${bench.app.url}/api/v1/session`, 'POST', { email, password });
    const cookie = signIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const bySession = (path: string) =>
      fetch(`${bench.app.url}${path}`, { headers: { cookie } }).then(async (answer) => ({
        status: answer.status,
        body: (await answer.json()) as { organizations?: unknown[] },
      }));
    expect((await bySession(owner.path('/workspaces'))).status).toBe(200);

    expect((await remove(owner, member.userId)).status).toBe(204);
    expectProblem(await member.api.call('GET', '/api/v1/me'), 401, 'unauthenticated');
    expect((await bySession(owner.path('/workspaces'))).status).toBe(404);
    expect((await bySession('/api/v1/me')).body.organizations).toEqual([]);
    expect(await bench.sql('SELECT 1 FROM credential WHERE user_id = $1', [member.userId])).toEqual([]);
    expect(await bench.sql('SELECT 1 FROM api_key WHERE user_id = $1', [member.userId])).toEqual([]);
    expect((await roles()).has(member.userId)).toBe(false);
    expectProblem(await remove(owner, member.userId), 404, 'not-found');
  });

  it('leaves workspaces that stopped, for admins to see and delete, and that lease nothing', async () => {
    const { member, id, runner, proxy, turn } = await atWork();
    await proxy.lease();
    await remove(owner, member.userId);
    const stopping = await owner.workspace(id);
    expect(stopping).toMatchObject({
      state: 'hibernating',
      desiredState: 'hibernated',
      owner: { id: member.userId, name: member.name },
    });
    expect(stopping.stateReason).toContain('not a member of the organization any more');
    expect(await proxy.tryLease()).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    await bench.reconcile(id);
    expect(await owner.workspace(id)).toMatchObject({
      state: 'hibernated',
      stateReason: stopping.stateReason,
    });
    expect(
      (await runner.call('/internal/v1/runner/claim', { runnerId: runner.runnerId, waitSeconds: 0 })).status,
    ).toBe(401);
    const [turnRow] = await bench.sql('SELECT state FROM turn WHERE id = $1', [turn.turnId]);
    expect(turnRow?.state).toBe('canceled');
    const operations = await bench.operations(id);
    expect(operations.at(-1)).toMatchObject({
      kind: 'hibernate',
      reason: 'its owner left',
      initiator: { id: bench.owner.userId },
    });
    const path = owner.path(`/workspaces/${id}`);
    expectProblem(await owner.call('POST', `${path}/wake`), 403, 'forbidden');
    await bench.delete(id);
    await bench.reconcile(id);
    expectProblem(await owner.call('GET', path), 404);
  });

  it.each(['provisioning', 'waking'] as const)(
    'leaves one that was %s as failed, by that name',
    async (state) => {
      const { member, id } = await atWork();
      await bench.sql(`UPDATE workspace SET state = $1 WHERE id = $2`, [state, id]);
      await remove(owner, member.userId);
      expect(await owner.workspace(id)).toMatchObject({
        state: 'failed',
        stateReason: expect.stringContaining('not a member') as string,
      });
      await bench.reconcile(id);
      expect(await bench.tokens(id)).toBe(0);
    },
  );

  it('has their queued and running messages ended', async () => {
    const { member, id, turn } = await atWork();
    const queued = await member.api.send(id, 'and then this');
    await remove(owner, member.userId);
    const rows = await bench.sql('SELECT id, state FROM turn WHERE workspace_id = $1', [id]);
    expect(new Map(rows.map((row) => [row.id, row.state]))).toEqual(
      new Map([
        [turn.turnId, 'canceled'],
        [queued.id, 'canceled'],
      ]),
    );
  });

  it.each(['running', 'hibernated'] as const)('hears their streams end, of a workspace %s', async (state) => {
    const { member, id } = await atWork();
    if (state === 'hibernated') {
      await member.api.call('POST', member.api.path(`/workspaces/${id}/hibernate`), undefined, 202);
      await bench.reconcile(id);
    }
    const stream = await fetch(`${bench.app.url}${member.api.path(`/workspaces/${id}/events`)}`, {
      headers: { authorization: `Bearer ${member.apiKey}`, accept: 'text/event-stream' },
    });
    const ended = stream.text();
    const feed = bench.app.parts.feed;
    await eventually('the stream waits', () => feed.waiting(id) > 0);
    const removedAt = performance.now();
    await remove(owner, member.userId);
    const text = await ended;
    expect(performance.now() - removedAt).toBeLessThan(3000);
    // Nothing of what came after the removal went to them.
    expect(text).not.toContain('not a member of the organization');
    expect(feed.waiting(id)).toBe(0);
  });

  it('leaves on their own when they like', async () => {
    const { api, userId } = await joined('member');
    await api.call('DELETE', memberPath(userId), undefined, 204);
    expectProblem(await api.call('GET', '/api/v1/me'), 401);
  });

  it('makes nothing new by a request that was under way', async () => {
    for (let round = 0; round < 8; round++) {
      const member = await joined('member');
      await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
      const creates = Array.from({ length: 4 }, () =>
        member.api.call<WorkspaceView>('POST', member.api.path('/workspaces'), {
          repository: 'acme/app',
          message: 'hello',
        }),
      );
      const keys = Array.from({ length: 2 }, () =>
        member.api.call('POST', member.api.path('/api-keys'), { name: 'late' }),
      );
      const credentials = ['user/anthropic_api_key', 'user/claude_setup_token', 'user/openai_api_key'].map(
        (place) => member.api.call('PUT', member.api.path(`/credentials/${place}`), SECRETS[place]),
      );
      const [removal, ...answers] = await Promise.all([
        remove(owner, member.userId),
        ...creates,
        ...keys,
        ...credentials,
      ]);
      expect(removal.status).toBe(204);
      const unforeseen = answers.filter(({ status }) => ![200, 201, 202, 401, 404].includes(status));
      expect(unforeseen.map(({ body }) => body)).toEqual([]);
      const alive = await bench.sql(
        `SELECT state, desired_state FROM workspace WHERE owner_id = $1 AND state <> 'failed'`,
        [member.userId],
      );
      expect(alive).toEqual([]);
      expect(await bench.sql('SELECT 1 FROM api_key WHERE user_id = $1', [member.userId])).toEqual([]);
      expect(await bench.sql('SELECT 1 FROM credential WHERE user_id = $1', [member.userId])).toEqual([]);
      expect(
        await bench.sql(
          `SELECT t.state FROM turn t JOIN message m USING (id) WHERE m.author_id = $1 AND t.state IN ('queued', 'running')`,
          [member.userId],
        ),
      ).toEqual([]);
    }
  });

  it('finds their workspaces when they come back', async () => {
    const { member, id } = await atWork();
    await remove(owner, member.userId);
    await bench.sql(
      `INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, 'member', now())`,
      [bench.organization.id, member.userId],
    );
    const back = await bench.app
      .api(await keyOf(member.userId), 'acme')
      .get<WorkspaceView>(owner.path(`/workspaces/${id}`));
    expect(back.body.owner.id).toBe(member.userId);
    expect(back.body.credential).not.toBeUndefined();
  });

  async function keyOf(userId: string): Promise<string> {
    const { text, prefix, hash } = newApiKey(bench.app.world.random);
    await bench.sql(
      `INSERT INTO api_key (id, organization_id, user_id, name, prefix, hash, created_at) VALUES ($1, $2, $3, 'again', $4, $5, now())`,
      [bench.newId(), bench.organization.id, userId, prefix, hash],
    );
    return text;
  }
});
