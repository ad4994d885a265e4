import { randomBytes } from 'node:crypto';
import { FakeClock } from '../kernel/index.js';
import { checkKeyRing, sealingKeyToBook } from './key-ring.js';
import { Vault, type RingKey } from './vault.js';

const clock = new FakeClock();
const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const [k1, k2] = [key('k1'), key('k2')];

/** What a database keeps of these rings, started one after the other. */
async function booked(...rings: RingKey[][]) {
  const keys: { id: string; proof: string }[] = [];
  for (const ring of rings) {
    const toBook = await sealingKeyToBook(new Vault(ring), keys, clock);
    if (toBook) keys.push(toBook);
  }
  return keys;
}

describe('the key ring', () => {
  it('is right for a database that never saw a key', async () => {
    await expect(checkKeyRing(new Vault([k1]), [])).resolves.toBeUndefined();
  });

  it('books each key that seals once', async () => {
    const keys = await booked([k1], [k1], [k2, k1], [k2, k1]);
    expect(keys.map(({ id }) => id)).toEqual(['k1', 'k2']);
    await expect(checkKeyRing(new Vault([k2, k1]), keys)).resolves.toBeUndefined();
    await expect(checkKeyRing(new Vault([k1, k2]), keys)).resolves.toBeUndefined();
  });

  it('is refused when a key is missing, and every missing one is named', async () => {
    const keys = await booked([k1], [k2]);
    await expect(checkKeyRing(new Vault([k2]), keys)).rejects.toMatchObject({
      code: 'key-ring-mismatch',
      message: expect.stringContaining('"k1"') as string,
    });
    await expect(checkKeyRing(new Vault([key('k3')]), keys)).rejects.toMatchObject({
      message: expect.stringMatching(/"k1".*"k2"/) as string,
    });
  });

  it('is refused when a key only has the same name, and that one is named', async () => {
    const keys = await booked([k1], [k2]);
    const error = checkKeyRing(new Vault([k2, { ...k1, key: randomBytes(32) }]), keys);
    await expect(error).rejects.toMatchObject({
      code: 'key-ring-mismatch',
      message: expect.stringMatching(
        /"k1" has the right name but is not the key.*Set BERTH_ENCRYPTION_KEYS/,
      ) as string,
    });
  });

  it('knows a key by a proof that the first release booked', async () => {
    const proof =
      '{"ciphertext":"yUEP-Xk","iv":"0_5sPOsujp1QEwf0","tag":"EX-AlGAjH0hdAKo07PwPbA","encrypted_key":"X1wl-7ZhIYJXzL1qDEETaBOwDf9U5uc53_qeWoHgxiM","aad":"YmVydGg6Y3JlZGVudGlhbDppbnN0YW5jZTprZXk6azE","protected":"eyJhbGciOiJBMjU2R0NNS1ciLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiazEiLCJpdiI6IjB3N0haU1ByWFYwcDFHWTgiLCJ0YWciOiJGdEEzN2Juc1A2dlRmWERTeFlMSW13In0"}';
    const first = { id: 'k1', key: Buffer.alloc(32, 7) };
    await expect(checkKeyRing(new Vault([k2, first]), [{ id: 'k1', proof }])).resolves.toBeUndefined();
    await expect(checkKeyRing(new Vault([k2, k1]), [{ id: 'k1', proof }])).rejects.toMatchObject({
      code: 'key-ring-mismatch',
    });
  });

  it("is refused when a key's proof was put under another name", async () => {
    const [first] = await booked([k1]);
    const swapped = { id: 'k2', proof: first?.proof ?? '' };
    await expect(checkKeyRing(new Vault([k1, k2]), [swapped])).rejects.toMatchObject({
      code: 'key-ring-mismatch',
    });
  });
});
