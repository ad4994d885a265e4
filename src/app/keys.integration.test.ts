import { randomBytes } from 'node:crypto';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { sendWith, type Prepared } from '../../test/support/mutations.js';
import { expectProblem } from '../../test/support/problem.js';
import { withClient } from '../../test/support/tables.js';
import type { KeysView } from '../contracts/index.js';
import {
  checkKeyRing,
  CredentialsService,
  GithubApp,
  KeyRotation,
  sealingKeyToBook,
  Vault,
  type RingKey,
  type SealedPlace,
} from '../credentials/index.js';
import { toAll } from '../credentials/testing/terms.js';
import { readSealingKeys } from '../database/index.js';

const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const [k1, k2] = [key('k1'), key('k2')];
const [before, during] = [new Vault([k1]), new Vault([k2, k1])];
const KEY = { apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2' };

let berth: TestApp;
let acme: TestOrganization;

/** An app whose ring has a new key first, on rows that were sealed with the one behind it. */
beforeEach(async () => {
  berth = await startTestApp({ parts: { vault: during } });
  acme = await berth.founded('acme');
  await sql('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]);
  for (const vault of [before, during]) {
    const booked = await readSealingKeys(berth.database.ownerUrl);
    const toBook = await sealingKeyToBook(vault, booked, berth.world.clock);
    if (toBook) await berth.parts.system.bookSealingKey(toBook);
  }
});
afterEach(() => berth.close());

const sql = async (text: string, values: unknown[] = []) =>
  (await withClient(berth.database.ownerUrl, (client) => client.query(text, values))).rows as Record<
    string,
    string
  >[];
const keys = async (): Promise<KeysView> =>
  (await acme.owner.api.get<KeysView>('/api/v1/instance/keys')).body;
const rotate = async (): Promise<KeysView> =>
  (await acme.owner.api.post<KeysView>('/api/v1/instance/keys/rotate', undefined, 202)).body;
const work = (): Promise<void> => berth.app.get(KeyRotation).work(new AbortController().signal);
const placeOf = (row: Record<string, string>): SealedPlace => ({
  purpose: 'credential',
  organizationId: row.organization_id ?? '',
  rowId: row.id ?? '',
});

/** Another app on the same database, so that is not closed with it. */
async function stop(other: TestApp): Promise<void> {
  await other.parts.feed.close();
  await other.app.close();
  await other.database.drop();
}

/** Organizations with a credential each, put under the old key as if it had been sealed with it. */
async function sealedBefore(count: number): Promise<TestOrganization[]> {
  const made: TestOrganization[] = [];
  for (let n = 0; n < count; n++) {
    const organization = await berth.founded(`org-${n}`);
    await organization.owner.api.setCredential('user', 'anthropic_api_key', KEY);
    made.push(organization);
  }
  for (const row of await sql(`SELECT * FROM credential WHERE key_id = 'k2'`)) {
    const sealed = await before.seal(await during.open(row.sealed ?? '', placeOf(row)), placeOf(row));
    await sql('UPDATE credential SET sealed = $1, key_id = $2 WHERE id = $3', [
      sealed.text,
      sealed.keyId,
      row.id,
    ]);
  }
  return made;
}

describe('rotation of the encryption keys', () => {
  it('seals everything with the first key, retires the other, and says what to do at each step', async () => {
    const [first] = await sealedBefore(7);
    // An answer kept for a retry is sealed as well.
    await first?.owner.api.post(first.owner.api.path('/api-keys'), { name: 'x' }, 201);
    const start = await keys();
    expect(start).toMatchObject({ sealingKey: 'k2', rotation: null });
    expect(start.keys).toMatchObject([
      { id: 'k2', inRing: true, rows: { credentials: 0 } },
      { id: 'k1', inRing: true, rows: { credentials: 7 } },
    ]);
    expect(start.advice.join()).toContain('Rows are still sealed with "k1"');
    const begun = await rotate();
    expect(begun.rotation).toMatchObject({ target: 'k2', state: 'running' });
    expect(begun.advice.join()).toContain('7 rows are left');
    const generations = await sql('SELECT id, generation FROM credential ORDER BY id');
    await work();
    const done = await keys();
    expect(done.rotation).toMatchObject({ target: 'k2', state: 'finished' });
    expect(done.keys.find(({ id }) => id === 'k1')).toMatchObject({ rows: { credentials: 0 } });
    expect(done.advice.join()).toContain('"k1" may be removed');
    // The same secrets, at the same generation, without the old key.
    expect(await sql('SELECT id, generation FROM credential ORDER BY id')).toEqual(generations);
    const after = new Vault([k2]);
    for (const row of await sql('SELECT * FROM credential'))
      expect(await after.open(row.sealed ?? '', placeOf(row))).toContain(KEY.apiKey);
    await expect(
      checkKeyRing(after, await readSealingKeys(berth.database.ownerUrl)),
    ).resolves.toBeUndefined();
    await expect(checkKeyRing(before, await readSealingKeys(berth.database.ownerUrl))).rejects.toMatchObject({
      code: 'key-ring-mismatch',
    });
    const { body } = await acme.owner.api.get<{ items: { action: string; details: object }[] }>(
      '/api/v1/instance/audit?subject=k2',
    );
    expect(body.items).toMatchObject([
      { action: 'keys.rotation-finished', details: { retired: ['k1'] } },
      { action: 'keys.rotation-started' },
    ]);
  });

  it('lets a credential that is set meanwhile win, and does no harm when several work at it', async () => {
    const organizations = await sealedBefore(20);
    await rotate();
    const set = organizations.map(({ owner }, n) =>
      owner.api.setCredential('user', 'anthropic_api_key', { apiKey: `${KEY.apiKey}-${n}` }),
    );
    await Promise.all([work(), work(), work(), ...set]);
    await work();
    for (const [n, organization] of organizations.entries()) {
      const [row] = await sql('SELECT * FROM credential WHERE organization_id = $1', [organization.id]);
      expect([row?.key_id, row?.generation]).toEqual(['k2', 2]);
      expect(await during.open(row?.sealed ?? '', placeOf(row ?? {}))).toContain(`${KEY.apiKey}-${n}`);
    }
    expect((await keys()).rotation?.state).toBe('finished');
  });

  it('shows itself in the answer also where that is kept for a retry, in the transaction that begins it', async () => {
    await sealedBefore(1);
    const request: Prepared = {
      method: 'POST',
      path: '/api/v1/instance/keys/rotate',
      headers: { authorization: `Bearer ${acme.owner.apiKey}` },
      body: undefined,
    };
    for (const again of [null, 'true']) {
      const answer = await sendWith(berth.url, request, 'rotate-once');
      expect(JSON.parse(answer.text)).toMatchObject({ rotation: { target: 'k2', state: 'running' } });
      expect(answer.headers.get('idempotency-replayed')).toBe(again);
    }
    expect(await sql('SELECT state FROM key_rotation')).toEqual([{ state: 'running' }]);
  });

  it('goes on where it was, and does not end while a row does not open', async () => {
    await sealedBefore(3);
    await rotate();
    const [broken] = await sql('SELECT * FROM credential ORDER BY id LIMIT 1');
    await sql(`UPDATE credential SET sealed = '{}' WHERE id = $1`, [broken?.id]);
    await work();
    expect((await keys()).keys.find(({ id }) => id === 'k1')?.rows.credentials).toBe(1);
    expect((await keys()).rotation?.state).toBe('running');
    await sql('UPDATE credential SET sealed = $1 WHERE id = $2', [broken?.sealed, broken?.id]);
    await work();
    expect((await keys()).rotation?.state).toBe('finished');
  });

  it('takes the App at GitHub along, which signs and speaks as before', async () => {
    const app = berth.app.get(GithubApp, { strict: false });
    const [secrets, facts] = [
      { clientSecret: 'client-secret', webhookSecret: 'webhook-secret', privateKey: 'a key' },
      { appId: '7', slug: 'berth-acme', clientId: 'Iv1' },
    ];
    await app.store({ ...facts, ...secrets }, { type: 'system', id: null, name: 'a test', apiKeyId: null });
    const [made = {}] = await sql('SELECT * FROM github_app');
    const place = { purpose: 'github-app', organizationId: 'instance', rowId: made.id ?? '' } as const;
    const old = await before.seal(await during.open(made.sealed ?? '', place), place);
    await sql('UPDATE github_app SET sealed = $1, key_id = $2', [old.text, old.keyId]);
    await rotate();
    await work();
    expect((await keys()).rotation?.state).toBe('finished');
    const [moved = {}] = await sql('SELECT * FROM github_app');
    expect(moved.key_id).toBe('k2');
    // The old key is not needed any more, and nothing of the App has changed.
    expect(JSON.parse(await new Vault([k2]).open(moved.sealed ?? '', place))).toEqual(secrets);
    expect((await app.keys()).privateKey.reveal()).toBe(secrets.privateKey);
    expect((await app.webhookSecrets()).map((secret) => secret.reveal())).toEqual([secrets.webhookSecret]);
  });

  it('goes back the same way: the old key first again, and rotate', async () => {
    await sealedBefore(3);
    await rotate();
    await work();
    // As a start with the old key first does it.
    const back = new Vault([k1, k2]);
    const toBook = await sealingKeyToBook(
      back,
      await readSealingKeys(berth.database.ownerUrl),
      berth.world.clock,
    );
    if (toBook) await berth.parts.system.bookSealingKey(toBook);
    expect((await readSealingKeys(berth.database.ownerUrl)).map(({ id }) => id).sort()).toEqual(['k1', 'k2']);
    const rotation = { id: berth.world.ids.next(), targetKeyId: 'k1', startedAt: new Date() };
    await berth.parts.system.keys.begin(rotation, () => Promise.resolve());
    await work();
    expect(await sql('SELECT DISTINCT key_id FROM credential')).toEqual([{ key_id: 'k1' }]);
    expect((await readSealingKeys(berth.database.ownerUrl)).map(({ id }) => id)).toEqual(['k1']);
  });

  it('to another key takes the place of one that runs; again to the same it goes on', async () => {
    await sealedBefore(1);
    await rotate();
    await rotate();
    const other = { id: berth.world.ids.next(), targetKeyId: 'k1', startedAt: new Date() };
    await berth.parts.system.keys.begin(other, () => Promise.resolve());
    expect(await sql('SELECT target_key_id, state FROM key_rotation ORDER BY started_at')).toEqual([
      { target_key_id: 'k2', state: 'superseded' },
      { target_key_id: 'k1', state: 'running' },
    ]);
  });

  it('lets no replica seal with a key that was retired, and says so', async () => {
    const [first] = await sealedBefore(1);
    await rotate();
    await work();
    const [row] = await sql('SELECT * FROM credential');
    const stale = await before.seal('secret', placeOf(row ?? {}));
    await expect(
      sql('UPDATE credential SET sealed = $1, key_id = $2', [stale.text, stale.keyId]),
    ).rejects.toMatchObject({ code: '23514', message: expect.stringContaining('k1 was retired') as string });
    const replica = await startTestApp({
      parts: { vault: before, database: berth.parts.database, system: berth.parts.system },
    });
    const refused = await replica
      .api(first?.owner.apiKey ?? '', 'org-0')
      .call('PUT', '/api/v1/organizations/org-0/credentials/user/openai_api_key', {
        apiKey: 'sk-proj-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
      });
    expectProblem(refused, 503, 'encryption-key-retired');
    await stop(replica);
  });

  it('a replica without the key of a row says which one it lacks, and takes nothing for broken', async () => {
    const [first] = await sealedBefore(1);
    if (!first) throw new Error('There is one.');
    await rotate();
    await work();
    const lacking = await startTestApp({
      parts: { vault: before, database: berth.parts.database, system: berth.parts.system },
    });
    const member = { organizationId: first.id, userId: first.owner.userId, agent: 'claude' as const };
    await expect(
      lacking.app.get(CredentialsService).lease(member, first.id, { admissions: toAll }),
    ).rejects.toMatchObject({
      code: 'encryption-key-missing',
      status: 503,
      message: expect.stringContaining('k2') as string,
    });
    expect(await sql('SELECT status FROM credential')).toEqual([{ status: 'active' }]);
    await stop(lacking);
  });

  it('is for who administers the instance', async () => {
    const { api } = await berth.member(acme, 'owner');
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/rotate'],
    ] as const)
      expectProblem(await api.call(method, `/api/v1/instance/keys${path}`), 403, 'forbidden');
  });
});
