import { randomBytes } from 'node:crypto';
import type { FlattenedJWE } from 'jose';
import { Vault, type RingKey, type SealedPlace } from './vault.js';

const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const [ours, older] = [key('k2'), key('k1')];
const vault = new Vault([ours, older]);
const place: SealedPlace = { purpose: 'credential', organizationId: 'organization-1', rowId: 'row-1' };
const SECRET = 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';

/** Written by the first release, for the row of `place`, under 32 bytes of 7. */
const FORMER =
  '{"ciphertext":"n3sFv5vzouCEi06a1eYyuQNziKzCmtK-qnjimzo","iv":"ScEAUnUAXj0Ztx8n","tag":"fvTUqSA6qgxXOSmPBNWGOA","encrypted_key":"swjhtuovxy0Ni91w49y1cdHv6wjvZ-FtcU16Mn8CXdk","aad":"YmVydGg6Y3JlZGVudGlhbDpvcmdhbml6YXRpb24tMTpyb3ctMQ","protected":"eyJhbGciOiJBMjU2R0NNS1ciLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiazEiLCJpdiI6IjlXMFFCYXc5bWdnOU1SQUUiLCJ0YWciOiJ1WDV1cF9wTlUzLVZoUW9Yak5pREV3In0"}';

const refused = { code: 'key-ring-mismatch' };

/** The sealed text with something changed. */
function tampered(
  text: string,
  change: (jwe: FlattenedJWE & { protected: string; aad: string }) => object,
): string {
  return JSON.stringify(change(JSON.parse(text) as FlattenedJWE & { protected: string; aad: string }));
}
const flip = (base64url: string): string => (base64url.startsWith('A') ? 'B' : 'A') + base64url.slice(1);

describe('Vault', () => {
  it('opens what it sealed, in its place', async () => {
    const { text, keyId } = await vault.seal(SECRET, place);
    expect(keyId).toBe('k2');
    expect(await vault.open(text, place)).toBe(SECRET);
  });

  it('shows nothing of the secret, and never seals twice the same', async () => {
    const [first, second] = [await vault.seal(SECRET, place), await vault.seal(SECRET, place)];
    expect(first.text).not.toBe(second.text);
    for (const form of [
      SECRET,
      Buffer.from(SECRET).toString('base64').slice(0, 20),
      Buffer.from(SECRET).toString('hex'),
    ]) {
      expect(first.text).not.toContain(form);
    }
  });

  it('is a JWE as RFC 7516 says: a key of its own, wrapped by the ring', async () => {
    const jwe = JSON.parse((await vault.seal(SECRET, place)).text) as Record<string, string>;
    const header = JSON.parse(Buffer.from(jwe.protected ?? '', 'base64url').toString()) as object;
    expect(header).toMatchObject({ alg: 'A256GCMKW', enc: 'A256GCM', kid: 'k2' });
    expect(Buffer.from(jwe.encrypted_key ?? '', 'base64url')).toHaveLength(32);
  });

  it.each<[string, SealedPlace]>([
    ['another row', { ...place, rowId: 'row-2' }],
    ['another organization', { ...place, organizationId: 'organization-2' }],
    ['a row for another purpose', { ...place, purpose: 'idempotent-answer' }],
    [
      'parts that only together read the same',
      { ...place, organizationId: 'organization-1:row-1', rowId: '' },
    ],
    ['nowhere', { ...place, organizationId: '', rowId: '' }],
  ])('does not open in %s', async (_, elsewhere) => {
    const { text } = await vault.seal(SECRET, place);
    await expect(vault.open(text, elsewhere)).rejects.toMatchObject(refused);
  });

  it('opens a credential that was sealed before places named a purpose', async () => {
    const former = new Vault([{ id: 'k1', key: Buffer.alloc(32, 7) }]);
    expect(await former.open(FORMER, place)).toBe('a secret of the first release');
  });

  it('does not open with another key of the same name', async () => {
    const { text } = await vault.seal(SECRET, place);
    const impostor = new Vault([{ id: ours.id, key: randomBytes(32) }, older]);
    await expect(impostor.open(text, place)).rejects.toMatchObject(refused);
  });

  it('does not open without its key, and names the one that is missing', async () => {
    const { text } = await vault.seal(SECRET, place);
    await expect(new Vault([older]).open(text, place)).rejects.toMatchObject({
      code: 'encryption-key-missing',
      status: 503,
      message: expect.stringContaining('k2') as string,
    });
  });

  it('rotates: the first key seals, older ones still open', async () => {
    const before = await new Vault([older]).seal(SECRET, place);
    expect(before.keyId).toBe('k1');
    expect(await vault.open(before.text, place)).toBe(SECRET);
    expect((await vault.seal(SECRET, place)).keyId).toBe('k2');
    expect(vault.sealingKeyId).toBe('k2');
    expect([vault.has('k1'), vault.has('k2'), vault.has('k3')]).toEqual([true, true, false]);
  });

  it.each<[string, Parameters<typeof tampered>[1]]>([
    ['the text', (jwe) => ({ ...jwe, ciphertext: flip(jwe.ciphertext) })],
    ['the tag', (jwe) => ({ ...jwe, tag: flip(jwe.tag ?? '') })],
    ['the wrapped key', (jwe) => ({ ...jwe, encrypted_key: flip(jwe.encrypted_key ?? '') })],
    [
      'the place inside',
      (jwe) => ({ ...jwe, aad: Buffer.from('berth:credential:organization-2:row-1').toString('base64url') }),
    ],
    ['the place taken out', ({ aad: _aad, ...jwe }) => jwe],
    [
      'the header',
      (jwe) => ({
        ...jwe,
        protected: Buffer.from('{"alg":"dir","enc":"A256GCM","kid":"k2"}').toString('base64url'),
      }),
    ],
    ['a second header, outside the seal', (jwe) => ({ ...jwe, unprotected: { kid: 'k1' } })],
    ['everything', () => ({})],
  ])('does not open with %s changed', async (_, change) => {
    const { text } = await vault.seal(SECRET, place);
    await expect(vault.open(tampered(text, change), place)).rejects.toMatchObject(refused);
  });

  it('does not open with the place changed on both sides', async () => {
    const { text } = await vault.seal(SECRET, place);
    const aad = Buffer.from('berth:credential:organization-2:row-1').toString('base64url');
    const moved = tampered(text, (jwe) => ({ ...jwe, aad }));
    await expect(vault.open(moved, { ...place, organizationId: 'organization-2' })).rejects.toMatchObject(
      refused,
    );
  });

  it.each(['', 'null', '[]', '"text"', '{', 'not json'])('refuses the sealed text %j', async (text) => {
    await expect(vault.open(text, place)).rejects.toMatchObject(refused);
  });

  it('says nothing of the secret when it does not open', async () => {
    const { text } = await vault.seal(SECRET, place);
    const error: unknown = await vault
      .open(text, { ...place, rowId: 'other' })
      .catch((reason: unknown) => reason);
    expect(String(error)).not.toContain('Zq8rT1');
    expect(String((error as Error).cause)).not.toContain('Zq8rT1');
  });

  it('keeps any text, also none', async () => {
    for (const text of ['', '🔑', '{"a":"\\u0000"}', 'x'.repeat(20_000)]) {
      expect(await vault.open((await vault.seal(text, place)).text, place)).toBe(text);
    }
  });

  it('cannot be made of no key, nor of one that is not 32 bytes', async () => {
    expect(() => new Vault([])).toThrow('BERTH_ENCRYPTION_KEYS: holds no key');
    await expect(new Vault([{ id: 'k', key: randomBytes(16) }]).seal('x', place)).rejects.toThrow();
  });
});
