/** One line of a push: what a ref is to be. */
export interface PushCommand {
  ref: string;
  isDelete: boolean;
}

/** What a push asks for, before its pack. */
export interface PushRequest {
  commands: readonly PushCommand[];
  capabilities: ReadonlySet<string>;
}

/** Why a body cannot be a push that Berth lets through; for people. */
export class PushMalformed extends Error {
  override readonly name = 'PushMalformed';
}

/** Refs of one push: a workspace has a branch or two of its own. */
const MAX_LIST_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;
const ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const ZEROS = /^0+$/;
const PACK = 'PACK';

/**
 * Reads the beginning of a push: `*shallow command-list flush-pkt`, up to where the pack begins (gitprotocol-pack(5), "Reference Update Request"). Strict: what the server might read otherwise
 * than we do is no push.
 */
export class PushReader {
  #bytes = Buffer.alloc(0);
  /** Where the next line begins. */
  #at = 0;
  #commands: PushCommand[] = [];
  #capabilities: ReadonlySet<string> = new Set();
  #listed = false;

  /** Everything read so far, as it came. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The list is complete. What it asks for can be judged; the pack may still be to come. */
  get request(): PushRequest | null {
    return this.#listed ? { commands: this.#commands, capabilities: this.#capabilities } : null;
  }

  /** Takes the next piece of the body. Throws PushMalformed. */
  add(piece: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    while (!this.#listed && this.#line());
    if (!this.#listed && this.#bytes.length > MAX_LIST_BYTES)
      throw new PushMalformed('The push names too many refs.');
  }

  /** Whether what follows the list has begun as it must. Throws PushMalformed. */
  packBegins(): boolean {
    const follows = this.#bytes.subarray(this.#at, this.#at + PACK.length).toString('latin1');
    // Of an empty list, which git sends to try whether it may push at all, nothing follows.
    const expected = this.#commands.length > 0 ? PACK : '';
    if (!expected.startsWith(follows))
      throw new PushMalformed('There is something else where a pack must be.');
    return follows === expected && expected !== '';
  }

  /** Reads a line; false when there is no whole one, or it was the last. */
  #line(): boolean {
    if (this.#bytes.length < this.#at + LENGTH_BYTES) return false;
    const digits = this.#bytes.toString('latin1', this.#at, this.#at + LENGTH_BYTES);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new PushMalformed('The push is not in git’s format.');
    const length = Number.parseInt(digits, 16);
    if (length === 0) {
      this.#at += LENGTH_BYTES;
      this.#listed = true;
      return false;
    }
    // Below 5 it is one of the other markers, which have no place here, or an empty line.
    if (length <= LENGTH_BYTES || length > 65_520)
      throw new PushMalformed('The push is not in git’s format.');
    const end = this.#at + length;
    if (this.#bytes.length < end) return false;
    this.#take(this.#bytes.toString('utf8', this.#at + LENGTH_BYTES, end));
    this.#at = end;
    return true;
  }

  #take(line: string): void {
    if (this.#commands.length === 0 && /^shallow ([0-9a-f]{40}|[0-9a-f]{64})\n?$/.test(line)) return;
    if (line.startsWith('push-cert')) throw new PushMalformed('Signed pushes are not taken here.');
    const [text = '', ...features] = line.replace(/\n$/, '').split('\0');
    if (features.length > (this.#commands.length === 0 ? 1 : 0))
      throw new PushMalformed('The push is not in git’s format.');
    const [old = '', next = '', ...rest] = text.split(' ');
    const ref = rest.join(' ');
    if (!ID.test(old) || !ID.test(next) || old.length !== next.length || !/^[^\p{Cc}]+$/u.test(ref))
      throw new PushMalformed('The push is not in git’s format.');
    if (this.#commands.some((known) => known.ref === ref))
      throw new PushMalformed('The push names a ref twice.');
    if (features[0] !== undefined) this.#capabilities = new Set(features[0].split(' ').filter(Boolean));
    this.#commands.push({ ref, isDelete: ZEROS.test(next) });
  }
}

/** Why a push is not let through, in one line; null when it is. */
export function objectionTo(
  { commands, capabilities }: PushRequest,
  pushRefs: readonly string[],
): string | null {
  // They are orders to the server beyond the refs: to make a merge request, and to merge it.
  if (capabilities.has('push-options')) return 'push options are not taken here';
  if (capabilities.has('push-cert')) return 'signed pushes are not taken here';
  const own = pushRefs.map((ref) => ref.replace('refs/heads/', '')).join(' or ');
  const foreign = commands.some(({ ref }) => !pushRefs.includes(ref));
  if (foreign) return `this workspace may push ${own} and nothing else`;
  return commands.some(({ isDelete }) => isDelete) ? `${own} may not be deleted from here` : null;
}

const SIDE_BAND = { report: 1, words: 2 };
const MAX_PIECE_BYTES = 65_000;

/**
 * What git-receive-pack would answer that refuses every ref of a push for this reason (gitprotocol-pack(5), "Report Status"); null when the client did not ask for a report. Of the body of
 * any other answer to a push git shows nothing.
 */
export function refusedReport({ commands, capabilities }: PushRequest, reason: string): Buffer | null {
  if (!capabilities.has('report-status') && !capabilities.has('report-status-v2')) return null;
  const lines = ['unpack ok\n', ...commands.map(({ ref }) => `ng ${ref} ${reason}\n`)];
  const report = Buffer.concat([...lines.map((line) => packet(line)), FLUSH]);
  if (!capabilities.has('side-band-64k')) return report;
  const pieces: Buffer[] = [];
  for (let at = 0; at < report.length; at += MAX_PIECE_BYTES)
    pieces.push(onBand(SIDE_BAND.report, report.subarray(at, at + MAX_PIECE_BYTES)));
  return Buffer.concat([onBand(SIDE_BAND.words, Buffer.from(`Berth: ${reason}.\n`)), ...pieces, FLUSH]);
}

/** What git-upload-pack answers that failed: git shows it as `remote error: …`. */
export function failedFetch(reason: string): Buffer {
  return packet(`ERR ${reason}`);
}

const FLUSH = Buffer.from('0000');

/** A pkt-line (gitprotocol-common(5)). */
function packet(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = (bytes.length + LENGTH_BYTES).toString(16).padStart(LENGTH_BYTES, '0');
  return Buffer.concat([Buffer.from(length), bytes]);
}

function onBand(band: number, content: Buffer): Buffer {
  return packet(Buffer.concat([Buffer.from([band]), content]));
}
