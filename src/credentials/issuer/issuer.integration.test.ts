import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { federation, startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { requestJson } from '../../../test/support/http.js';
import { withClient } from '../../../test/support/tables.js';
import type { Discovery, IssuerView } from '../../contracts/index.js';
import { FakeClock } from '../../kernel/index.js';
import { Issuer, KeyRotation, Vault, type RingKey } from '../index.js';

const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const [k1, k2] = [key('k1'), key('k2')];
const AUDIENCE = 'https://api.anthropic.com';
const workspace = {
  organizationId: '019aa000-0000-7000-8000-00000000000a',
  workspaceId: '019aa000-0000-7000-8000-00000000000b',
};

const clock = new FakeClock(new Date('2026-06-01T12:00:00.000Z'));
let berth: TestApp;
let acme: TestOrganization;
beforeAll(async () => {
  berth = await startTestApp({
    clock,
    parts: { vault: new Vault([k1]), federation: federation(undefined, 30) },
  });
  acme = await berth.founded('acme');
  await sql('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]);
});
beforeEach(() => sql('DELETE FROM issuer_key'));
afterAll(() => berth.close());

const sql = async (text: string, values: unknown[] = []) =>
  (await withClient(berth.database.ownerUrl, (client) => client.query(text, values))).rows as Record<
    string,
    string
  >[];
const issuerOf = (app: TestApp): Issuer => app.app.get(Issuer, { strict: false });
const get = <T>(path: string) => requestJson<T>(`${berth.url}${path}`, 'GET', undefined);
const jwks = async (): Promise<JSONWebKeySet> => (await get<JSONWebKeySet>('/.well-known/jwks.json')).body;
const rotate = async (publishAheadSeconds?: number): Promise<IssuerView> =>
  (await acme.owner.api.post<IssuerView>('/api/v1/instance/issuer/rotate', { publishAheadSeconds }, 202))
    .body;
const kidOf = (assertion: string): string | undefined => decodeProtectedHeader(assertion).kid;

describe('Berth as an issuer', () => {
  it('signs what anybody can check with what it publishes', async () => {
    const assertion = await issuerOf(berth).assert(workspace);
    const { payload, protectedHeader } = await jwtVerify(assertion, createLocalJWKSet(await jwks()), {
      issuer: berth.url,
      audience: AUDIENCE,
      subject: `berth:organization:${workspace.organizationId}:workspace:${workspace.workspaceId}`,
      currentDate: clock.now(),
    });
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) as string });
    const other = await issuerOf(berth).assert(workspace);
    expect(other).not.toBe(assertion);
    const second = await jwtVerify(other, createLocalJWKSet(await jwks()), { currentDate: clock.now() });
    expect(second.payload.jti).not.toBe(payload.jti);
  });

  it('publishes its name and public parts, to be kept for minutes, and never a private part', async () => {
    const discovery = await get<Discovery>('/.well-known/openid-configuration');
    expect(discovery.body).toMatchObject({
      issuer: berth.url,
      jwks_uri: `${berth.url}/.well-known/jwks.json`,
      id_token_signing_alg_values_supported: ['ES256'],
    });
    const keys = await get<JSONWebKeySet>('/.well-known/jwks.json');
    expect(keys.headers.get('cache-control')).toBe('public, max-age=300');
    expect(keys.body.keys.map((jwk) => Object.keys(jwk).sort())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ]);
    // The row holds it sealed alone.
    const [row] = await sql('SELECT sealed, public_jwk::text AS public FROM issuer_key');
    const [opened] = [await new Vault([k1]).open(row?.sealed ?? '', await placeOf())];
    const { d = '' } = JSON.parse(opened) as { d?: string };
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(`${row?.sealed} ${row?.public}`).not.toContain(d);
  });

  it('makes one key, however many processes need the first at once', async () => {
    const beside = await startTestApp({ clock, beside: berth });
    try {
      const asked = Array.from({ length: 20 }, (_, n) => issuerOf(n % 2 ? berth : beside).assert(workspace));
      const kids = new Set((await Promise.all(asked)).map(kidOf));
      expect(kids.size).toBe(1);
      expect(await sql('SELECT id FROM issuer_key')).toEqual([{ id: [...kids][0] }]);
    } finally {
      await beside.close();
    }
  });

  it('publishes the next key before it signs, and the former one until all it signed is over', async () => {
    const first = kidOf(await issuerOf(berth).assert(workspace)) ?? '';
    const begun = await rotate(900);
    const next = begun.keys.find(({ id }) => id !== first)?.id ?? '';
    expect(begun.keys.map(({ state }) => state)).toEqual(['signing', 'waiting']);
    // Another push while one waits changes nothing.
    expect((await rotate(900)).keys).toEqual(begun.keys);
    expect((await jwks()).keys.map(({ kid }) => kid)).toEqual([first, next]);
    clock.advance(899_000);
    const last = await issuerOf(berth).assert(workspace);
    expect(kidOf(last)).toBe(first);
    clock.advance(1000);
    expect(kidOf(await issuerOf(berth).assert(workspace))).toBe(next);
    clock.advance(530_000);
    await issuerOf(berth).keepUp();
    // Signed in the last second before, and good for as long as it says.
    await expect(
      jwtVerify(last, createLocalJWKSet(await jwks()), { currentDate: clock.now() }),
    ).resolves.toBeDefined();
    clock.advance(3600_000);
    await issuerOf(berth).keepUp();
    expect(await sql('SELECT id FROM issuer_key')).toEqual([{ id: next }]);
    expect((await jwks()).keys.map(({ kid }) => kid)).toEqual([next]);
  });

  it('is given its next key by the sweep after the days that were set, once for all processes', async () => {
    const beside = await startTestApp({
      clock,
      beside: berth,
      parts: { federation: federation(undefined, 30) },
    });
    try {
      await issuerOf(berth).keepUp();
      expect(await sql('SELECT id FROM issuer_key')).toEqual([]);
      await issuerOf(berth).assert(workspace);
      clock.advance(30 * 86_400_000);
      await Promise.all([berth, beside, berth, beside].map((app) => issuerOf(app).keepUp()));
      const rows = await sql('SELECT ordinal FROM issuer_key ORDER BY ordinal');
      expect(rows.map(({ ordinal }) => ordinal)).toEqual([1, 2]);
    } finally {
      await beside.close();
    }
  });

  it('goes on through a rotation of the encryption keys', async () => {
    const assertion = await issuerOf(berth).assert(workspace);
    const both = await startTestApp({ clock, beside: berth, parts: { vault: new Vault([k2, k1]) } });
    try {
      const rotation = both.app.get(KeyRotation);
      await both.parts.system.keys.begin(
        { id: berth.world.ids.next(), targetKeyId: 'k2', startedAt: clock.now() },
        () => Promise.resolve(),
      );
      await rotation.work(new AbortController().signal);
      expect((await sql('SELECT key_id FROM issuer_key'))[0]).toEqual({ key_id: 'k2' });
      const view = await rotation.show();
      expect(view.rotation).toMatchObject({ state: 'finished' });
      expect(view.keys.find(({ id }) => id === 'k2')?.rows).toMatchObject({ 'issuer keys': 1 });
      expect(kidOf(await issuerOf(both).assert(workspace))).toBe(kidOf(assertion));
    } finally {
      await both.close();
    }
  });
});

async function placeOf() {
  const [row] = await sql('SELECT id FROM issuer_key');
  return { purpose: 'issuer-key' as const, organizationId: 'instance', rowId: row?.id ?? '' };
}
