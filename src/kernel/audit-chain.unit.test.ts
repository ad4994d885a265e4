import { createHash } from 'node:crypto';
import {
  canonicalJson,
  ChainVerifier,
  GENESIS_HASH,
  hashOfEntry,
  verifyAuditExport,
  type ChainedEntry,
  type ChainHead,
} from './audit-chain.js';

const CHAIN = '0190a0b0-c0d0-7000-8000-000000000000';

function chainOf(length: number): ChainedEntry[] {
  const entries: ChainedEntry[] = [];
  let previousHash = GENESIS_HASH;
  for (let seq = 1; seq <= length; seq++) {
    const entry = { chain: CHAIN, seq, action: `act ${seq}`, details: { b: seq, a: 'é' }, previousHash };
    previousHash = hashOfEntry(entry);
    entries.push({ ...entry, hash: previousHash });
  }
  return entries;
}
const rehashed = (entry: ChainedEntry): ChainedEntry => ({ ...entry, hash: hashOfEntry(entry) });
const headOf = (entries: ChainedEntry[]): ChainHead => {
  const last = entries.at(-1);
  return { chain: CHAIN, seq: last?.seq ?? 0, hash: last?.hash ?? GENESIS_HASH };
};
function verify(entries: ChainedEntry[], head: ChainHead | null, anchor: ChainHead | null = null) {
  const verifier = new ChainVerifier(CHAIN, anchor);
  entries.every((entry) => verifier.add(entry));
  return verifier.finish(head);
}

const good = chainOf(6);
const head = headOf(good);
function at(seq: number): ChainedEntry {
  const entry = good[seq - 1];
  if (!entry) throw new Error(`The test has no entry ${seq}.`);
  return entry;
}
/** The chain with other entries in the place of some. */
const with_ = (...others: ChainedEntry[]): ChainedEntry[] =>
  good.map((entry) => others.find(({ seq }) => seq === entry.seq) ?? entry);
/** The chain as somebody writes it who can hash: everything from an entry on anew. */
function rewritten(from: number): ChainedEntry[] {
  const entries = good.slice(0, from - 1);
  for (const entry of good.slice(from - 1))
    entries.push(
      rehashed({ ...entry, action: 'forged', previousHash: entries.at(-1)?.hash ?? GENESIS_HASH }),
    );
  return entries;
}

describe('the hash of an entry', () => {
  it('is SHA-256 over its canonical JSON without the hash, whatever the order of its fields', () => {
    const text = `{"action":"act 1","chain":"${CHAIN}","details":{"a":"é","b":1},"previousHash":"${GENESIS_HASH}","seq":1}`;
    expect(canonicalJson({ ...at(1), hash: undefined })).toBe(text);
    expect(at(1).hash).toBe(createHash('sha256').update(text).digest('hex'));
    expect(hashOfEntry(Object.fromEntries(Object.entries(at(1)).reverse()))).toBe(at(1).hash);
  });

  it('is of what JSON can say, and nothing else', () => {
    expect(() => hashOfEntry({ n: NaN })).toThrow();
    expect(() => canonicalJson(undefined)).toThrow('no JSON');
  });
});

describe('a chain', () => {
  it('holds as it was written, also the empty one', () => {
    expect(verify(good, head)).toEqual({ holds: true, entries: 6, head, fault: null });
    expect(verify([], null).holds).toBe(true);
    expect(verify([], headOf([])).holds).toBe(true);
  });

  it.each<[string, ChainedEntry[], ChainHead | null, ChainHead | null, number, string]>([
    ['an entry was edited', with_({ ...at(3), action: 'other' }), head, null, 3, 'changed'],
    ['a detail was edited', with_({ ...at(3), details: { a: 'é', b: 4 } }), head, null, 3, 'changed'],
    ['a field was added', with_({ ...at(3), more: null }), head, null, 3, 'changed'],
    ['one was edited and hashed anew', with_(rehashed({ ...at(3), action: 'x' })), head, null, 4, 'unlinked'],
    ['the last was hashed anew', with_(rehashed({ ...at(6), action: 'x' })), head, null, 6, 'head-differs'],
    ['one was deleted', good.filter(({ seq }) => seq !== 4), head, null, 4, 'missing'],
    ['the first was deleted', good.slice(1), head, null, 1, 'missing'],
    ['two changed places', with_({ ...at(2), seq: 3 }, { ...at(3), seq: 2 }), head, null, 2, 'changed'],
    ['they stand in another order', [at(1), at(3), at(2)], head, null, 2, 'missing'],
    ['one stands twice', [...good, at(6)], head, null, 6, 'out-of-order'],
    ['one stands before the first', [{ ...at(1), seq: 0 }, ...good], head, null, 0, 'out-of-order'],
    ['one is of another chain', with_(rehashed({ ...at(5), chain: 'other' })), head, null, 5, 'foreign'],
    ['the tail was cut', good.slice(0, 4), head, null, 5, 'missing'],
    ['everything was cut', [], head, null, 1, 'missing'],
    ['the head was put back', good, headOf(good.slice(0, 4)), null, 5, 'beyond-head'],
    ['the head is gone', good, null, null, 6, 'head-differs'],
    ['the head is of another chain', good, { ...head, chain: 'other' }, null, 6, 'foreign'],
    ['tail and head were put back', good.slice(0, 4), headOf(good.slice(0, 4)), head, 5, 'missing'],
    ['all was written anew from the third on', rewritten(3), headOf(rewritten(3)), head, 6, 'anchor-differs'],
  ])('does not hold when %s', (_, entries, end, anchor, seq, problem) => {
    const verdict = verify(entries, end, anchor);
    expect(verdict).toMatchObject({ holds: false, fault: { seq, problem } });
    expect(verdict.fault?.message).toContain(`Entry ${seq} `);
  });

  it('that was written anew as a whole is only found by a head that was kept elsewhere', () => {
    expect(verify(rewritten(3), headOf(rewritten(3))).holds).toBe(true);
    const earlier = headOf(good.slice(0, 2));
    expect(verify(rewritten(3), headOf(rewritten(3)), earlier).holds).toBe(true);
    expect(verify(rewritten(2), headOf(rewritten(2)), earlier).fault).toMatchObject({ seq: 2 });
  });
});

describe('an export', () => {
  const lines = (entries: object[], end: object | null = { head }): string[] =>
    [...entries, ...(end ? [end] : [])].map((line) => JSON.stringify(line));

  it('holds line by line, with its last line the head', async () => {
    expect(await verifyAuditExport(lines(good))).toEqual({ holds: true, entries: 6, head, fault: null });
    expect((await verifyAuditExport(lines([], { head: headOf([]) }))).holds).toBe(true);
    expect((await verifyAuditExport([...lines(good), '', ' '])).holds).toBe(true);
    expect((await verifyAuditExport(lines(good), head)).holds).toBe(true);
  });

  it.each<[string, string[], number, string]>([
    ['ends without a head', lines(good, null), 6, 'head-differs'],
    ['is empty', [], 1, 'missing'],
    ['was cut in the middle of a line', [...lines(good.slice(0, 3), null), '{"chain":"01'], 4, 'malformed'],
    ['has another thing for a line', [...lines(good.slice(0, 3), null), '[]'], 4, 'malformed'],
    ['has no number', [...lines(good.slice(0, 3), null), '{"chain":"x"}'], 4, 'malformed'],
    ['goes on after its end', [...lines(good), JSON.stringify(at(6))], 7, 'malformed'],
    ['lost a line', lines(good.filter(({ seq }) => seq !== 2)), 2, 'missing'],
    ['was edited', lines(with_({ ...at(2), action: 'x' })), 2, 'changed'],
    ['begins with entries of another chain', lines(good, { head: { ...head, chain: 'x' } }), 6, 'foreign'],
  ])('does not hold when it %s', async (_, given, seq, problem) => {
    expect(await verifyAuditExport(given)).toMatchObject({ holds: false, fault: { seq, problem } });
  });
});
