import { randomBytes } from 'node:crypto';
import type { Api } from '../../../test/support/api.js';
import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { eventually } from '../../../test/support/eventually.js';
import { machinesOf } from '../../../test/support/machines.js';
import { expectProblem } from '../../../test/support/problem.js';
import { withClient } from '../../../test/support/tables.js';
import type { AuditEntryView, AuditVerdict } from '../../contracts/index.js';
import { verifyAuditExport } from '../../kernel/index.js';

const KEY = { apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2' };

let berth: TestApp;
let acme: TestOrganization;
let administrator: TestMember;

beforeAll(async () => {
  berth = await startTestApp({ worker: true });
  acme = await berth.founded('acme');
  administrator = acme.owner;
  await sql(`UPDATE "user" SET instance_administrator = true WHERE id = $1`, [administrator.userId]);
});
afterAll(() => berth.close());

const sql = (text: string, values: unknown[] = []) =>
  withClient(berth.database.ownerUrl, (client) => client.query(text, values));
const entries = async (api: Api, query = ''): Promise<AuditEntryView[]> =>
  (await api.get<{ items: AuditEntryView[] }>(api.path(`/audit?limit=100${query}`))).body.items;
const verdict = async (api: Api, query = ''): Promise<AuditVerdict> =>
  (await api.get<AuditVerdict>(api.path(`/audit/verification${query}`))).body;
const exported = async (api: Api, path = api.path('/audit/export')): Promise<string> =>
  (await api.get<string>(path)).body;

describe('the audit log of an organization', () => {
  let mine: TestOrganization;
  let api: Api;
  beforeAll(async () => {
    mine = await berth.founded('mine');
    ({ api } = mine.owner);
  });

  it('begins empty, and holds', async () => {
    expect(await entries(api)).toEqual([]);
    expect(await verdict(api)).toEqual({ holds: true, entries: 0, head: null, fault: null });
    expect(await verifyAuditExport((await exported(api)).split('\n'))).toMatchObject({ holds: true });
  });

  it('tells who did what, to what, when, by which key and in which request', async () => {
    await api.setCredential('user', 'anthropic_api_key', KEY);
    const { id, name } = await api.createWorkspace({ repository: 'owner/name', message: 'my secret plan' });
    const [sent, created, set] = await entries(api);
    const actor = {
      type: 'member',
      id: mine.owner.userId,
      name: mine.owner.name,
      apiKeyId: mine.owner.apiKeyId,
    };
    expect(set).toMatchObject({ seq: 1, action: 'credential.set', actor, details: { generation: 1 } });
    expect(created).toMatchObject({ action: 'workspace.created', subject: { type: 'workspace', id, name } });
    expect(sent).toMatchObject({ action: 'message.sent', details: { workspaceId: id, characters: 14 } });
    // Both of one request, under the id that its answer had.
    const { headers } = await api.post(api.path(`/workspaces/${id}/messages`), { text: 'more' }, 202);
    expect(sent?.requestId).toBe(created?.requestId);
    expect((await entries(api))[0]?.requestId).toBe(headers.get('x-request-id'));
    expect(JSON.stringify(await entries(api))).not.toContain('secret plan');
  });

  it('books the use of a credential once per workspace and secret, by the proxy that got it', async () => {
    const { id } = await api.createWorkspace({ repository: 'owner/name' });
    const { proxy } = await machinesOf(berth, id);
    const uses = async () =>
      (await entries(api, '&action=credential.used')).filter(({ actor }) => actor.id === id);
    await Promise.all(Array.from({ length: 5 }, () => proxy.lease()));
    await proxy.lease();
    expect(await uses()).toMatchObject([
      { actor: { type: 'machine', id }, details: { generation: 1, forMember: mine.owner.userId } },
    ]);
    await api.setCredential('user', 'anthropic_api_key', KEY);
    await proxy.lease();
    expect((await uses()).map(({ details }) => details.generation)).toEqual([2, 1]);
  });

  it('is read in pages, both ways, and filtered', async () => {
    const all = await entries(api);
    expect(all.length).toBeGreaterThan(5);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, at) => all.length - at));
    for (const order of ['newest', 'oldest']) {
      const seen: number[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { items: AuditEntryView[]; nextCursor: string | null } = (
          await api.get<{ items: AuditEntryView[]; nextCursor: string | null }>(
            api.path(`/audit?limit=2&order=${order}${cursor === '' ? '' : `&cursor=${cursor}`}`),
          )
        ).body;
        seen.push(...page.items.map(({ seq }) => seq));
        cursor = page.nextCursor;
      }
      expect(seen).toEqual((order === 'newest' ? all : all.toReversed()).map(({ seq }) => seq));
    }
    const workspace = all.find(({ action }) => action === 'workspace.created')?.subject?.id ?? '';
    expect((await entries(api, `&subject=${workspace}`)).map(({ action }) => action)).toEqual([
      'workspace.created',
    ]);
    expect(await entries(api, `&actor=${mine.owner.userId}&action=credential.set`)).toHaveLength(2);
    const middle = all[3]?.at ?? '';
    const [since, until] = [await entries(api, `&since=${middle}`), await entries(api, `&until=${middle}`)];
    expect(since.length + until.length).toBe(all.length);
    expectProblem(await api.call('GET', api.path('/audit?cursor=0')), 422, 'validation-failed');
    expectProblem(await api.call('GET', api.path('/audit?action=nothing')), 422, 'validation-failed');
    expectProblem(await api.call('GET', api.path('/audit/verification?seq=1')), 422, 'validation-failed');
  });

  it('books what a person was refused, once for the same in a row', async () => {
    const colleague = await berth.member(mine, 'member');
    const path = colleague.api.path('/audit');
    for (let n = 0; n < 3; n++) expectProblem(await colleague.api.call('GET', path), 403, 'forbidden');
    expectProblem(
      await colleague.api.call('GET', colleague.api.path(`/workspaces/${acme.id}`)),
      404,
      'not-found',
    );
    const refused = () => entries(api, `&action=access.refused&actor=${colleague.userId}`);
    await eventually('both are booked', async () => (await refused()).length >= 2);
    expect((await refused()).map(({ details }) => details.code)).toEqual(['not-found', 'forbidden']);
    expect((await refused())[1]?.subject).toEqual({ type: 'route', id: `GET ${path}`, name: null });
    // Whoever is refused chooses the address: a long one is booked too, as far as it fits.
    const nowhere = `/api/v1/organizations/${randomBytes(6000).toString('base64url')}`;
    expectProblem(await colleague.api.call('GET', nowhere), 404, 'not-found');
    // Another organization is no business of theirs: that stands in the chain of the instance.
    expectProblem(await colleague.api.call('GET', '/api/v1/organizations/acme/workspaces'), 404, 'not-found');
    await eventually('it is booked', async () => {
      const { body } = await administrator.api.get<{ items: AuditEntryView[] }>(
        `/api/v1/instance/audit?actor=${colleague.userId}`,
      );
      return body.items.length === 2;
    });
  });

  it('outlives the workspace, the member and the organization', async () => {
    const gone = await berth.founded('gone');
    await gone.owner.api.setCredential('user', 'anthropic_api_key', KEY);
    await sql('DELETE FROM organization WHERE id = $1', [gone.id]);
    const { rows } = await sql('SELECT action FROM audit_entry WHERE organization_id = $1', [gone.id]);
    expect(rows).toEqual([{ action: 'credential.set' }]);
  });

  it('holds, however many write at once, without a gap', async () => {
    const before = await verdict(api);
    const names = Array.from({ length: 40 }, (_, at) => `key ${at}`);
    await Promise.all(names.map((name) => api.post(api.path('/api-keys'), { name }, 201)));
    const after = await verdict(api);
    expect(after).toMatchObject({ holds: true, fault: null, entries: before.entries + 40 });
    expect(await verdict(api, `?seq=${before.head?.seq}&hash=${before.head?.hash}`)).toMatchObject({
      holds: true,
    });
    expect(await verdict(api, `?seq=${before.head?.seq}&hash=${after.head?.hash}`)).toMatchObject({
      holds: false,
      fault: { seq: before.head?.seq, problem: 'anchor-differs' },
    });
  });

  it('is exported so that anybody can verify it', async () => {
    const text = await exported(api);
    const { head } = await verdict(api);
    expect(await verifyAuditExport(text.split('\n'))).toMatchObject({ holds: true, head });
    const forged = text.replace('credential.set', 'credential.removed');
    expect(await verifyAuditExport(forged.split('\n'))).toMatchObject({
      fault: { seq: 1, problem: 'changed' },
    });
  });

  it.each([
    ['edited', `UPDATE audit_entry SET details = '{}' WHERE seq = 3 AND organization_id = $1`, 3, 'changed'],
    ['deleted', 'DELETE FROM audit_entry WHERE seq = 3 AND organization_id = $1', 3, 'missing'],
    ['cut', 'DELETE FROM audit_entry WHERE seq > 7 AND organization_id = $1', 8, 'missing'],
    [
      'hidden before the first',
      `INSERT INTO audit_entry SELECT organization_id, 0, at, action, actor_type, actor_id, actor_name, api_key_id, subject_type, subject_id, subject_name,
       details, request_id, previous_hash, hash FROM audit_entry WHERE seq = 1 AND organization_id = $1`,
      0,
      'out-of-order',
    ],
    ['put back', 'UPDATE audit_head SET seq = 5 WHERE organization_id = $1', 6, 'beyond-head'],
    ['robbed of its head', 'DELETE FROM audit_head WHERE organization_id = $1', 0, 'head-differs'],
  ])('names the first bad entry when it was %s behind its back', async (what, statement, seq, problem) => {
    const one = await berth.founded(`t-${problem}-${seq}`.slice(0, 40));
    for (let n = 0; n < 10; n++)
      await one.owner.api.post(one.owner.api.path('/api-keys'), { name: `${n}` }, 201);
    // Not even the owner, as long as nobody switches the guard off.
    if (!what.startsWith('hidden'))
      await expect(sql(statement, [one.id])).rejects.toMatchObject({ code: '42501' });
    await withClient(berth.database.ownerUrl, async (client) => {
      await client.query('BEGIN');
      for (const table of ['audit_entry', 'audit_head'])
        await client.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
      await client.query(statement, [one.id]);
      for (const table of ['audit_entry', 'audit_head'])
        await client.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
      await client.query('COMMIT');
    });
    expect(await verdict(one.owner.api)).toMatchObject({
      holds: false,
      fault: { seq: seq === 0 && problem === 'head-differs' ? 10 : seq, problem },
    });
  });

  it('cannot be truncated, nor continued by an entry that does not follow', async () => {
    await expect(sql('TRUNCATE audit_entry')).rejects.toMatchObject({ code: '42501' });
    const forged = `INSERT INTO audit_entry (organization_id, seq, at, action, actor_type, details, previous_hash, hash)
                    SELECT organization_id, seq + 1, now(), 'x', 'system', '{}', repeat('f', 64), 'h' FROM audit_head WHERE organization_id = $1`;
    await expect(sql(forged, [mine.id])).rejects.toMatchObject({ code: '23000' });
    await withClient(berth.database.appUrl, async (client) => {
      await client.query(`SELECT set_config('berth.org', $1, false)`, [acme.id]);
      await expect(client.query('SELECT * FROM audit_lock_head($1)', [mine.id])).rejects.toMatchObject({
        code: '42501',
      });
    });
  });

  it('is not written when the transaction fails, and takes what it belongs to along when it cannot be', async () => {
    const count = async () => (await verdict(api)).entries;
    const before = await count();
    expectProblem(await api.call('DELETE', api.path('/credentials/user/openai_api_key')), 404, 'not-found');
    await sql(
      `ALTER TABLE audit_entry ADD CONSTRAINT full_disk CHECK (action <> 'api-key.created') NOT VALID`,
    );
    const keys = async () =>
      (await api.get<{ items: unknown[] }>(api.path('/api-keys?limit=100'))).body.items;
    const there = (await keys()).length;
    const refused = await api.call('POST', api.path('/api-keys'), { name: 'never' });
    expectProblem(refused, 503, 'audit-unavailable');
    expect(refused.headers.get('retry-after')).toBe('30');
    expect(await keys()).toHaveLength(there);
    await sql('ALTER TABLE audit_entry DROP CONSTRAINT full_disk');
    const { body } = await api.post<{ id: string }>(api.path('/api-keys'), { name: 'now' }, 201);
    expect((await entries(api))[0]?.subject?.id).toBe(body.id);
    expect(await count()).toBeGreaterThan(before);
  });
});

describe('the audit log of the instance', () => {
  it('tells of signing in and out, and of who failed, without what was typed', async () => {
    const signIn = (body: object) => berth.api(null).call('POST', '/api/v1/session', body);
    await signIn({ email: 'nobody@example.com', password: 'hunter2 hunter2' });
    await signIn({ email: administrator.email, password: 'hunter2 hunter2' });
    const { body } = await administrator.api.get<{ items: AuditEntryView[] }>(
      '/api/v1/instance/audit?action=session.refused',
    );
    expect(body.items).toMatchObject([
      { actor: { type: 'anonymous', id: null }, subject: { type: 'person', id: administrator.userId } },
      { actor: { type: 'anonymous', id: null }, subject: null, details: { address: '127.0.0.1' } },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/nobody|hunter2/);
  });

  it('tells of organizations that were founded, which begin with that entry', async () => {
    const { api } = administrator;
    const founded = await api.post<{ organization: { id: string }; apiKey: string }>(
      '/api/v1/organizations',
      { name: 'New', slug: 'new' },
      201,
    );
    const { id } = founded.body.organization;
    const { body } = await api.get<{ items: AuditEntryView[] }>(`/api/v1/instance/audit?subject=${id}`);
    expect(body.items).toMatchObject([{ action: 'organization.created', subject: { id, name: 'New' } }]);
    expect(await entries(berth.api(founded.body.apiKey, 'new'))).toMatchObject([
      { seq: 1, action: 'organization.created', actor: { type: 'person', id: administrator.userId } },
    ]);
  });

  it('is for who administers the instance, and holds', async () => {
    const { api } = administrator;
    const { body } = await api.get<AuditVerdict>('/api/v1/instance/audit/verification');
    expect(body).toMatchObject({ holds: true });
    expect(body.entries).toBeGreaterThan(2);
    const text = await exported(api, '/api/v1/instance/audit/export');
    expect(await verifyAuditExport(text.split('\n'))).toMatchObject({ holds: true, head: body.head });
    const { api: other } = await berth.member(acme, 'owner');
    for (const path of ['', '/verification', '/export'])
      expectProblem(await other.call('GET', `/api/v1/instance/audit${path}`), 403, 'forbidden');
  });
});
