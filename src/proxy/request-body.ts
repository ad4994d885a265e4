import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { BerthError } from '../kernel/index.js';
import { SpilledBody } from './spilled-body.js';

/** Counts the bytes of request bodies that are held for a workspace, in memory or in files. */
export class BodyBudget {
  #used = 0;

  constructor(private readonly limit: number) {}

  /** Takes `bytes`, or nothing and says false when they do not fit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** A body that is held until its call is answered. `release` gives its share of the budget back and is safe to call twice. */
export interface HeldBody {
  /** In bytes. */
  size: number;
  /** The body where it is small enough to be kept in memory; null: it is in a file. */
  memory: Buffer | null;
  /** As one send takes it, from its beginning. */
  open(): Buffer | Readable;
  /** All of it in memory, for what is changed on its way. */
  bytes(): Promise<Buffer>;
  release(): void;
}

export interface BodyRules {
  maxBytes: number;
  /** A larger one is kept in a file. */
  spillBytes: number;
  timeoutSeconds: number;
  budget: BodyBudget;
}

/** Thrown when the client went away; there is no one to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * Reads a whole request body. Model calls are held before they are sent on, so that a refused credential can be replaced and the same
 * request sent again while the agent just waits; a large one in a file, since hundreds may wait at once.
 * Throws BerthError `payload-too-large`, `bad-request` (too slow), `not-ready` (the workspace holds too much already, or the disk is full), or ClientGone.
 */
export async function readBody(request: IncomingMessage, rules: BodyRules): Promise<HeldBody> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > rules.maxBytes) throw tooLarge(rules.maxBytes);
  const collector = new Collector(request, rules);
  return collector.done;
}

class Collector {
  readonly done: Promise<HeldBody>;
  /** What is in memory, all of it or what is not in the file yet. */
  #chunks: Buffer[] = [];
  #size = 0;
  #file: SpilledBody | null = null;
  /** Ends when what has come so far is in the file. */
  #written: Promise<void> = Promise.resolve();
  #stopped = false;
  #failed = false;
  #timer: NodeJS.Timeout;
  #resolve!: (body: HeldBody) => void;
  #reject!: (error: Error) => void;

  constructor(
    private readonly request: IncomingMessage,
    private readonly rules: BodyRules,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.#fail(tooSlow()), rules.timeoutSeconds * 1000);
    request
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onGone)
      .on('close', this.#onGone);
    // 'close' has passed already when the client left before we came to its body; no event would ever end the wait.
    if (request.destroyed && !request.complete) this.#onGone();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#size + chunk.length > this.rules.maxBytes) {
      this.#fail(tooLarge(this.rules.maxBytes));
      return;
    }
    if (!this.rules.budget.take(chunk.length)) {
      this.#fail(tooManyAtOnce());
      return;
    }
    this.#size += chunk.length;
    this.#chunks.push(chunk);
    if (this.#size > this.rules.spillBytes) this.#written = this.#spill();
  };

  /** No data comes before it is done. The end may: it is announced with the last piece. */
  async #spill(): Promise<void> {
    this.request.pause();
    try {
      this.#file ??= await SpilledBody.create();
      for (const chunk of this.#chunks.splice(0)) await this.#file.append(chunk);
    } catch {
      this.#fail(noRoom());
    }
    if (!this.#stopped) this.request.resume();
  }

  readonly #onEnd = (): void => {
    this.#stop();
    void this.#written.then(() => {
      if (!this.#failed) this.#finish();
    });
  };

  #finish(): void {
    const [size, file] = [this.#size, this.#file];
    const release = (): void => {
      this.rules.budget.give(size);
      file?.close();
    };
    this.#resolve({ size, ...(file ? inFile(file) : inMemory(this.#chunks, size)), release: once(release) });
  }

  readonly #onGone = (): void => this.#fail(new ClientGone('The client closed its connection.'));

  #fail(error: Error): void {
    // Its own writing may fail after the client has left.
    if (this.#failed) return;
    this.#failed = true;
    this.#stop();
    this.rules.budget.give(this.#size);
    void this.#written.then(() => this.#file?.close());
    this.#chunks = [];
    this.#size = 0;
    this.#reject(error);
  }

  #stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onGone);
    // The 'error' listener stays: an error without a listener would end the whole process.
  }
}

function inMemory(chunks: Buffer[], size: number): Pick<HeldBody, 'memory' | 'open' | 'bytes'> {
  const [first] = chunks;
  const memory = chunks.length === 1 && first ? first : Buffer.concat(chunks, size);
  return { memory, open: () => memory, bytes: () => Promise.resolve(memory) };
}

function inFile(file: SpilledBody): Pick<HeldBody, 'memory' | 'open' | 'bytes'> {
  return { memory: null, open: () => file.stream(), bytes: () => file.bytes() };
}

function once(action: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    action();
  };
}

function tooLarge(maxBytes: number): BerthError {
  const megabytes = Math.floor(maxBytes / (1024 * 1024));
  return new BerthError(
    'payload-too-large',
    `The request body is larger than ${megabytes} MB. Send a shorter conversation.`,
  );
}

function tooSlow(): BerthError {
  return new BerthError('bad-request', 'The request body did not arrive in time. Send the request again.');
}

function noRoom(): BerthError {
  return new BerthError(
    'not-ready',
    'There is no room on disk for this request. Make room where Berth runs, then try again.',
    { retryAfterSeconds: 30 },
  );
}

function tooManyAtOnce(): BerthError {
  return new BerthError(
    'not-ready',
    'Too many large requests of this workspace run at once. Try again in a moment.',
    {
      retryAfterSeconds: 2,
    },
  );
}
