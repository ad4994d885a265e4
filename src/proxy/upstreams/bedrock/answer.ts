import type { Dispatcher } from 'undici';
import { headerOf, textHeaders, type HeaderList } from '../../headers.js';
import { field, jsonOf } from '../../json.js';
import { messagesError } from './errors.js';
import { EventStreamTranslation } from './event-stream.js';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

export interface AnswerRules {
  /** The answer is of a count of tokens. */
  isCount: boolean;
  /** What no message to the agent may repeat. */
  secrets: readonly string[];
  maxErrorBytes: number;
  errorTimeoutSeconds: number;
}

const JSON_TYPE = 'application/json';
const EVENT_STREAM = 'application/vnd.amazon.eventstream';

/** Headers of Bedrock's that mean the same to an agent of Anthropic's; all others are AWS's own. */
const KEPT = ['date', 'retry-after'];

/**
 * Stands between Bedrock's answer and what passes it on: an event stream becomes server-sent events as it comes, a whole message passes, errors and counts are told in Anthropic's words. A pause
 * reaches the upstream, and what breaks off here breaks off there.
 */
export class BedrockAnswer implements Handler {
  #stream: EventStreamTranslation | null = null;
  #whole: Whole | null = null;
  #outer: Controller | null = null;
  #over = false;

  constructor(
    private readonly next: Handler,
    private readonly rules: AnswerRules,
  ) {}

  onRequestStart(controller: Controller, context: unknown): void {
    this.next.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Controller, status: number): void {
    if (status < 200) return;
    const head = textHeaders((controller.rawHeaders ?? []) as (Buffer | string)[]);
    const isGood = status <= 299;
    if (isGood && headerOf(head, 'content-type')?.startsWith(EVENT_STREAM)) {
      this.#stream = new EventStreamTranslation(this.rules.secrets);
      this.#begin(controller, status, head, 'text/event-stream; charset=utf-8');
    } else if (isGood && !this.rules.isCount) {
      this.#begin(controller, status, head, headerOf(head, 'content-type') ?? JSON_TYPE);
    } else {
      const { maxErrorBytes, errorTimeoutSeconds } = this.rules;
      this.#whole = new Whole(maxErrorBytes, errorTimeoutSeconds, () => this.#tell(controller));
      this.#whole.head = { status, headers: head };
    }
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#over) return;
    if (this.#whole) {
      if (!this.#whole.add(chunk)) this.#tell(controller);
      return;
    }
    if (!this.#stream) return this.#pass(controller, chunk);
    const events = this.#translated(controller, this.#stream, chunk);
    if (events) this.#pass(controller, Buffer.from(events));
  }

  onResponseEnd(controller: Controller, trailers: Record<string, string>): void {
    if (this.#over) return;
    if (this.#whole) return this.#tell(controller, true);
    if (this.#stream?.isWhole === false) return this.#break(controller, new Error('The stream was cut off.'));
    this.#over = true;
    this.next.onResponseEnd?.(this.#outer ?? controller, trailers);
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#whole?.take();
    this.next.onResponseError?.(this.#outer ?? controller, error);
  }

  #begin(controller: Controller, status: number, head: HeaderList, contentType: string): void {
    const headers = ['content-type', contentType];
    for (const name of KEPT) {
      const value = headerOf(head, name);
      if (value !== undefined) headers.push(name, value);
    }
    const requestId = headerOf(head, 'x-amzn-requestid');
    if (requestId !== undefined) headers.push('request-id', requestId);
    this.#outer = new Translated(controller, headers);
    this.next.onResponseStart?.(this.#outer, status, {});
  }

  #pass(controller: Controller, bytes: Buffer): void {
    this.next.onResponseData?.(this.#outer ?? controller, bytes);
  }

  #translated(controller: Controller, stream: EventStreamTranslation, chunk: Buffer): string | null {
    try {
      return stream.push(chunk);
    } catch (error) {
      this.#break(controller, error as Error);
      return null;
    }
  }

  /** The agent's connection breaks, as with any answer that is not whole. */
  #break(controller: Controller, error: Error): void {
    this.onResponseError(controller, error);
    controller.abort(error);
  }

  /** An answer that is told anew is there, or as much of it as is read. */
  #tell(controller: Controller, ended = false): void {
    const whole = this.#whole;
    if (!whole || this.#over) return;
    this.#over = true;
    const { status, headers } = whole.head;
    const { status: toldStatus, body } = this.#inAnthropicsWords(status, headers, whole.take());
    this.#begin(controller, toldStatus, headers, JSON_TYPE);
    this.#pass(controller, Buffer.from(JSON.stringify(body)));
    this.next.onResponseEnd?.(this.#outer ?? controller, {});
    if (!ended) controller.abort(new Error('The rest of the answer is not needed.'));
  }

  #inAnthropicsWords(status: number, headers: HeaderList, bytes: Buffer): { status: number; body: object } {
    const count = status <= 299 ? field(jsonOf(bytes), 'inputTokens') : undefined;
    if (count !== undefined) return { status, body: { input_tokens: count } };
    const code = headerOf(headers, 'x-amzn-errortype');
    const error = messagesError(status <= 299 ? 502 : status, code, bytes, this.rules.secrets);
    const { type, message } = error;
    return { status: error.status, body: { type: 'error', error: { type, message } } };
  }
}

/** The upstream's controls, with the head as it is told. */
class Translated implements Controller {
  constructor(
    private readonly controller: Controller,
    readonly rawHeaders: string[],
  ) {}

  get aborted(): boolean {
    return this.controller.aborted;
  }

  get paused(): boolean {
    return this.controller.paused;
  }

  get reason(): Error | null {
    return this.controller.reason;
  }

  abort(reason: Error): void {
    this.controller.abort(reason);
  }

  pause(): void {
    this.controller.pause();
  }

  resume(): void {
    this.controller.resume();
  }
}

/** A small answer that is collected, within bounds of size and time. */
class Whole {
  head: { status: number; headers: HeaderList } = { status: 0, headers: [] };
  readonly #chunks: Buffer[] = [];
  readonly #timer: NodeJS.Timeout;
  #size = 0;

  constructor(
    private readonly maxBytes: number,
    timeoutSeconds: number,
    onTimeout: () => void,
  ) {
    this.#timer = setTimeout(onTimeout, timeoutSeconds * 1000);
  }

  /** False once there is enough. */
  add(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    return this.#size < this.maxBytes;
  }

  take(): Buffer {
    clearTimeout(this.#timer);
    return Buffer.concat(this.#chunks, this.#size);
  }
}
