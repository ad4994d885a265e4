import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { textHeaders, type HeaderList } from './headers.js';
import type { Target } from './pools.js';

export interface UpstreamRequest {
  method: 'GET' | 'POST';
  /** Path and query below the target's base path, as it goes on the wire. */
  path: string;
  headers: HeaderList;
  body: Buffer | Readable | null;
}

/** Sees a copy of an answer's body as it passes. It can neither delay nor change it, and its errors are its own affair. */
export interface Tap {
  data(chunk: Buffer): void;
  /** Called once. `complete` is false when either side broke off. */
  end(complete: boolean): void;
}

/** Stands between an upstream's answer and `next`, which passes it on, and changes it as it comes. */
export type AnswerChange = (next: Dispatcher.DispatchHandler) => Dispatcher.DispatchHandler;

export interface RelayRules {
  /** For an upstream of another wire than the agent's; all else here sees the changed answer. None: byte for byte. */
  change?: AnswerChange | null;
  /** True for a status whose answer the agent must not see; its body is collected instead and the caller answers. */
  withhold(status: number): boolean;
  /**
   * Asked of a withheld answer once its body is there, or as much of it as is read: true passes it on after all, unchanged, with the rest as it comes. None: withheld is withheld.
   */
  release?(status: number, headers: HeaderList, body: Buffer): boolean;
  /** Called when the head of an answer that is passed on has arrived. */
  onHead?(status: number, headers: HeaderList): Tap | null;
  /** What of the answer's headers the agent gets. */
  filter(headers: HeaderList): HeaderList;
  maxWithheldBytes: number;
  withheldTimeoutSeconds: number;
}

/**
 * How a call ended. `relayed`: the agent got the head, and the whole body when `complete` (else its connection was broken).
 * `withheld`: nothing was sent to the agent. `unreachable`: the upstream gave no answer. `client-gone`: the agent left first; `sent`: the upstream had the request by then, or a part of it.
 */
export type CallOutcome =
  | { kind: 'relayed'; status: number; complete: boolean }
  | { kind: 'withheld'; status: number; headers: HeaderList; body: Buffer }
  | { kind: 'unreachable'; error: Error }
  | { kind: 'client-gone'; sent: boolean };

/**
 * The one streaming core: sends a request upstream and passes the answer on as it comes, byte for byte unless `change` translates it. A slow agent slows the upstream down, an
 * agent that leaves ends the upstream call, and an upstream that breaks off breaks the agent's connection: a cut answer never looks whole.
 */
export function relay(
  target: Target,
  request: UpstreamRequest,
  response: ServerResponse,
  rules: RelayRules,
): Promise<CallOutcome> {
  if (response.destroyed || response.closed) return Promise.resolve({ kind: 'client-gone', sent: false });
  return new Promise((resolve) => {
    const handler = new RelayHandler(response, rules, resolve);
    const first = rules.change ? rules.change(handler) : handler;
    target.pool.dispatch({ ...request, path: target.basePath + request.path }, first);
  });
}

/** undici's dispatch handler of one call. Every path ends in `#finish`, once. */
class RelayHandler implements Dispatcher.DispatchHandler {
  #controller: Dispatcher.DispatchController | null = null;
  #status = 0;
  #headers: HeaderList = [];
  #withheld: Withheld | null = null;
  #tap: Tap | null = null;
  #headSent = false;
  #bodyBegun = false;
  #finished = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly rules: RelayRules,
    private readonly resolve: (outcome: CallOutcome) => void,
  ) {
    response.on('close', this.#onClientClose);
    response.on('drain', this.#onDrain);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The agent may have left while the call waited for a connection.
    if (this.#finished) controller.abort(new Error('The client closed its connection.'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return; // 1xx belongs to the connection; the real head follows.
    this.#controller = controller;
    this.#status = status;
    this.#headers = textHeaders((controller.rawHeaders ?? []) as (Buffer | string)[]);
    if (this.rules.withhold(status)) this.#withheld = new Withheld(this.rules, () => this.#judge(false));
    else this.#sendHead(status);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#finished) return;
    if (this.#withheld) {
      if (!this.#withheld.add(chunk)) this.#judge(false);
      return;
    }
    this.#pass(controller, chunk);
  }

  onResponseEnd(): void {
    if (this.#finished || !this.#judge(true)) return;
    this.response.end();
    this.#finish({ kind: 'relayed', status: this.#status, complete: true });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#finished || !this.#judge(true)) return;
    if (!this.#headSent) {
      this.#finish({ kind: 'unreachable', error });
      return;
    }
    this.response.destroy();
    this.#finish({ kind: 'relayed', status: this.#status, complete: false });
  }

  #sendHead(status: number): void {
    this.response.sendDate = false;
    this.response.writeHead(status, this.rules.filter(this.#headers));
    this.#headSent = true;
    this.#tap = this.rules.onHead?.(status, this.#headers) ?? null;
    // The head goes out now even when the first byte of the body is minutes away; with a body in the same packet they leave together.
    process.nextTick(() => {
      if (!this.#bodyBegun && !this.#finished) this.response.flushHeaders();
    });
  }

  #pass(controller: Dispatcher.DispatchController | null, chunk: Buffer): void {
    this.#bodyBegun = true;
    if (!this.response.write(chunk)) controller?.pause();
    // After the write, so that metering never stands between the upstream and the agent.
    this.#tap?.data(chunk);
  }

  readonly #onDrain = (): void => this.#controller?.resume();

  readonly #onClientClose = (): void => {
    if (this.#finished) return;
    const controller = this.#controller;
    if (this.#withheld) this.#finishWithheld(this.#withheld);
    else if (this.#headSent) this.#finish({ kind: 'relayed', status: this.#status, complete: false });
    else this.#finish({ kind: 'client-gone', sent: controller !== null });
    controller?.abort(new Error('The client closed its connection.'));
  };

  /** True when the answer is one that the agent gets. A withheld one of which enough is known is released, or the call ends here. `ended`: nothing more of it will come. */
  #judge(ended: boolean): boolean {
    if (this.#finished) return false;
    const withheld = this.#withheld;
    if (!withheld) return true;
    const body = withheld.take();
    if (!this.rules.release?.(this.#status, this.#headers, body)) {
      this.#finishWithheld(withheld);
      if (!ended) this.#controller?.abort(new Error('The rest of the answer is not needed.'));
      return false;
    }
    this.#withheld = null;
    this.#sendHead(this.#status);
    if (body.length > 0) this.#pass(this.#controller, body);
    return true;
  }

  #finishWithheld(withheld: Withheld): void {
    const body = withheld.take().subarray(0, this.rules.maxWithheldBytes);
    this.#finish({ kind: 'withheld', status: this.#status, headers: this.#headers, body });
  }

  #finish(outcome: CallOutcome): void {
    this.#finished = true;
    this.response.off('close', this.#onClientClose);
    this.response.off('drain', this.#onDrain);
    this.#tap?.end(outcome.kind === 'relayed' && outcome.complete);
    this.resolve(outcome);
  }
}

/** What has come of an answer that is not passed on yet: little more than its bound, since what came is kept whole. */
class Withheld {
  readonly #chunks: Buffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #size = 0;

  constructor(
    private readonly rules: Pick<RelayRules, 'maxWithheldBytes' | 'withheldTimeoutSeconds'>,
    onTimeout: () => void,
  ) {
    this.#timer = setTimeout(onTimeout, rules.withheldTimeoutSeconds * 1000);
  }

  /** False once it is full. */
  add(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    return this.#size < this.rules.maxWithheldBytes;
  }

  take(): Buffer {
    clearTimeout(this.#timer);
    return Buffer.concat(this.#chunks, this.#size);
  }
}
