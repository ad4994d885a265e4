import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { messageOf } from './errors.js';

/*
 * The format of the audit log's chain, and the proof that one holds. Pure, and here at the bottom, so that the server, the command line and whoever holds an export
 * prove it by the same lines of code.
 *
 *   hash(entry) = hex(SHA-256(UTF-8(JCS(entry without its "hash"))))        JCS: RFC 8785, JSON in one canonical form
 *   entry.previousHash = hash of the entry before, 64 zeros for the first
 *   entry.seq = 1, 2, 3, … without gaps; entry.chain = the organization's id, or the instance's
 */

/** Stands before the first entry of every chain. */
export const GENESIS_HASH = '0'.repeat(64);

/** An entry as it is hashed: whatever else it has is hashed, too. */
export interface ChainedEntry {
  chain: string;
  seq: number;
  previousHash: string;
  hash: string;
  [field: string]: unknown;
}

/** Where a chain ends. Kept beside the entries, so that a tail that was cut is seen; and kept elsewhere by who trusts not even the database's owner. */
export interface ChainHead {
  chain: string;
  seq: number;
  hash: string;
}

export type ChainProblem =
  | 'malformed'
  | 'foreign'
  | 'missing'
  | 'out-of-order'
  | 'changed'
  | 'unlinked'
  | 'beyond-head'
  | 'head-differs'
  | 'anchor-differs';

/** The first bad entry: its number, what is wrong, and that in words. */
export interface ChainFault {
  seq: number;
  problem: ChainProblem;
  message: string;
}

export interface ChainVerdict {
  holds: boolean;
  /** Entries that were read and found good, before the fault if there is one. */
  entries: number;
  head: ChainHead | null;
  fault: ChainFault | null;
}

/** The hash of an entry, over everything in it but the hash itself. */
export function hashOfEntry(entry: object): string {
  const { hash: _, ...rest } = entry as Record<string, unknown>;
  return createHash('sha256').update(canonicalJson(rest)).digest('hex');
}

/** RFC 8785. Throws on what is no JSON. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('There is no JSON of this value.');
  return text;
}

/** Takes the entries of one chain in order, and keeps the first fault. `anchor` is a head that was seen earlier and kept elsewhere. */
export class ChainVerifier {
  #seq = 0;
  #hash = GENESIS_HASH;
  #fault: ChainFault | null = null;

  constructor(
    private readonly chain: string,
    private readonly anchor: Pick<ChainHead, 'seq' | 'hash'> | null = null,
  ) {}

  /** False once there is a fault: what comes after it proves nothing. */
  add(entry: ChainedEntry): boolean {
    this.#fault ??= this.faultOf(entry);
    if (this.#fault) return false;
    this.#seq = entry.seq;
    this.#hash = entry.hash;
    return true;
  }

  /** The verdict, when all entries were read: they must end where the head says. */
  finish(head: ChainHead | null): ChainVerdict {
    this.#fault ??= this.faultOfEnd(head);
    return { holds: this.#fault === null, entries: this.#seq, head, fault: this.#fault };
  }

  private faultOf(entry: ChainedEntry): ChainFault | null {
    const expected = this.#seq + 1;
    const { seq } = entry;
    if (entry.chain !== this.chain) return fault(expected, 'foreign', `belongs to the chain ${entry.chain}`);
    if (seq > expected)
      return fault(expected, 'missing', `is missing: after entry ${this.#seq} comes ${seq}`);
    if (seq < expected) return fault(seq, 'out-of-order', `comes after entry ${this.#seq}`);
    if (hashOfEntry(entry) !== entry.hash)
      return fault(seq, 'changed', 'was changed: its content does not have the hash it was stored with');
    if (entry.previousHash !== this.#hash)
      return fault(
        seq,
        'unlinked',
        `does not follow entry ${seq - 1}: one of the two was changed and hashed anew, or another entry stood between them`,
      );
    return this.faultOfAnchor(seq, entry.hash);
  }

  private faultOfAnchor(seq: number, hash: string): ChainFault | null {
    if (this.anchor?.seq !== seq || this.anchor.hash === hash) return null;
    return fault(
      seq,
      'anchor-differs',
      'is not the entry that was the head when the anchor was kept: the chain was written anew, here or before',
    );
  }

  private faultOfEnd(head: ChainHead | null): ChainFault | null {
    const last = this.#seq;
    if (this.anchor && this.anchor.seq > last)
      return fault(last + 1, 'missing', `is missing: the anchor was kept when there were ${this.anchor.seq}`);
    if (!head)
      return last === 0 ? null : fault(last, 'head-differs', 'is the last one, and the chain has no head');
    if (head.chain !== this.chain)
      return fault(last, 'foreign', `is the last one, and the head is of the chain ${head.chain}`);
    if (head.seq > last)
      return fault(
        last + 1,
        'missing',
        `is missing: the head says that there are ${head.seq}, so the tail was cut`,
      );
    if (head.seq < last)
      return fault(head.seq + 1, 'beyond-head', `stands after the head, which was put back to ${head.seq}`);
    if (head.hash !== this.#hash)
      return fault(last, 'head-differs', 'is the last one, and does not have the hash that the head names');
    return null;
  }
}

/**
 * Verifies an export: one entry per line as JSON, then a last line `{"head": {chain, seq, hash}}`. Lines come one by one, so that a log of any size is
 * verified in little memory.
 */
export async function verifyAuditExport(
  lines: AsyncIterable<string> | Iterable<string>,
  anchor: Pick<ChainHead, 'seq' | 'hash'> | null = null,
): Promise<ChainVerdict> {
  let verifier: ChainVerifier | null = null;
  let head: ChainHead | null = null;
  let entries = 0;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const read = readLine(line);
    if (read === null || head !== null)
      return {
        holds: false,
        entries,
        head,
        fault: fault(entries + 1, 'malformed', 'is no entry of an audit log, or stands after the end'),
      };
    if ('head' in read) {
      head = read.head;
      verifier ??= new ChainVerifier(head.chain, anchor);
    } else {
      verifier ??= new ChainVerifier(read.entry.chain, anchor);
      if (!verifier.add(read.entry)) break;
      entries = read.entry.seq;
    }
  }
  verifier ??= new ChainVerifier('', anchor);
  const verdict = verifier.finish(head);
  if (verdict.holds && head === null)
    return { ...verdict, holds: false, fault: fault(1, 'missing', 'is missing: the export is empty') };
  return verdict;
}

function readLine(line: string): { entry: ChainedEntry } | { head: ChainHead } | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return null;
    const { head, ...entry } = value as Record<string, unknown>;
    if (isHead(head)) return { head };
    return isHead(entry) && typeof (entry as Partial<ChainedEntry>).previousHash === 'string'
      ? { entry: entry as unknown as ChainedEntry }
      : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw new TypeError(`A line of the export cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function isHead(value: unknown): value is ChainHead {
  if (typeof value !== 'object' || value === null) return false;
  const { chain, seq, hash } = value as Record<string, unknown>;
  return typeof chain === 'string' && Number.isSafeInteger(seq) && typeof hash === 'string';
}

function fault(seq: number, problem: ChainProblem, what: string): ChainFault {
  return { seq, problem, message: `Entry ${seq} ${what}.` };
}
