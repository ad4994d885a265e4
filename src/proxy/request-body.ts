import type { IncomingMessage } from 'node:http';
import { BerthError } from '../kernel/index.js';

/** Counts the bytes of request bodies that a workspace has in memory. */
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

/** A body in memory. `release` gives its share of the budget back and is safe to call twice. */
export interface HeldBody {
  bytes: Buffer;
  release(): void;
}

export interface BodyRules {
  maxBytes: number;
  timeoutSeconds: number;
  budget: BodyBudget;
}

/** Thrown when the client went away; there is no one to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * Reads a whole request body. Model calls are held in memory before they are sent on, so that a refused credential can be replaced and the same
 * request sent again while the agent just waits.
 * Throws BerthError `payload-too-large`, `bad-request` (too slow), `not-ready` (the workspace holds too much already), or ClientGone.
 */
export async function readBody(request: IncomingMessage, rules: BodyRules): Promise<HeldBody> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > rules.maxBytes) throw tooLarge(rules.maxBytes);
  const collector = new Collector(request, rules);
  return collector.done;
}

class Collector {
  readonly done: Promise<HeldBody>;
  #chunks: Buffer[] = [];
  #size = 0;
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
  };

  readonly #onEnd = (): void => {
    this.#stop();
    const [first] = this.#chunks;
    const bytes = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks, this.#size);
    this.#resolve({ bytes, release: once(() => this.rules.budget.give(this.#size)) });
  };

  readonly #onGone = (): void => this.#fail(new ClientGone('The client closed its connection.'));

  #fail(error: Error): void {
    this.#stop();
    this.rules.budget.give(this.#size);
    this.#chunks = [];
    this.#size = 0;
    this.#reject(error);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.request.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onGone);
    // The 'error' listener stays: an error without a listener would end the whole process.
  }
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

function tooManyAtOnce(): BerthError {
  return new BerthError(
    'not-ready',
    'Too many large requests of this workspace run at once. Try again in a moment.',
    {
      retryAfterSeconds: 2,
    },
  );
}
