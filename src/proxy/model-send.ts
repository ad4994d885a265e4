import type { IncomingMessage, ServerResponse } from 'node:http';
import { BerthError } from '../kernel/index.js';
import { CallRecord } from './call-record.js';
import { answerHeaders, headerOf, requestHeaders, type HeaderList } from './headers.js';
import { field, jsonOf } from './json.js';
import { secretsOf, type HeldLease } from './leases.js';
import { decodeSmall, Meter } from './metering.js';
import type { Target } from './pools.js';
import type { HeldBody } from './request-body.js';
import {
  relay,
  type AnswerChange,
  type CallOutcome,
  type Tap,
  type UpstreamRequest,
} from './upstream-call.js';
import {
  count,
  modelName,
  type Legible,
  type Operation,
  type UpstreamAdapter,
  type Usage,
  type Wire,
} from './upstreams/adapter.js';
import type { Workspace } from './workspace.js';

/** Above this size a request is not parsed only to learn its model. */
const MAX_PARSED_REQUEST_BYTES = 1024 * 1024;

const BYTES_PER_TOKEN = 3;
/** How the APIs call the most tokens that an answer may have. */
const OUTPUT_BOUNDS = ['max_tokens', 'max_output_tokens', 'max_completion_tokens'];

/** What is told of a credential that was refused within a stream that had begun with 200: as if it had been said at the beginning. */
const UNAUTHORIZED = 401;

/** What is sent: the same at each send, but for the credential. */
export interface ModelRequest {
  operation: Operation;
  path: string;
  query: string;
  body: HeldBody | null;
}

/**
 * What came of one send. `refused`: the credential was, the agent has seen nothing of it, and the control plane is being told. `unreachable`: nothing came back. `no-place`: what this
 * credential opens has no such call, and nothing was sent. `done`: the agent has its answer, or has left.
 */
export type SendResult = 'done' | 'refused' | 'unreachable' | 'no-place';

/** A call on its way: where to, what, and what its answer passes through. */
interface Departure {
  target: Target;
  request: UpstreamRequest;
  change: AnswerChange | null;
  legible?: Legible;
}

/** One send of a model call, with one lease. */
export class ModelSend {
  /** Ends when the tokens of the answer are known, if it has any. */
  #metered: Promise<void> = Promise.resolve();

  constructor(
    private readonly workspace: Workspace,
    private readonly adapter: UpstreamAdapter,
    private readonly sent: ModelRequest,
    private readonly lease: HeldLease,
  ) {}

  /** Sends an agent's request and passes the answer on. Throws BerthError: `not-ready` for a credential that is not this upstream's, `bad-request` for what its wire cannot say. */
  async run(request: IncomingMessage, response: ServerResponse): Promise<SendResult> {
    const { credential } = this.lease;
    if (!this.adapter.kinds.has(credential.kind)) throw this.#wrongKind();
    const place = this.adapter.place(credential.kind, this.sent.path);
    if (!place) return 'no-place';
    const target = this.workspace.context.targets[place.target](credential);
    const headers = requestHeaders(request.rawHeaders);
    const wire = this.adapter.wires?.[credential.kind];
    const departure = wire
      ? await this.#translated(await wire(), target, headers)
      : this.#asItIs(target, place.path, headers);
    const { observers } = this.workspace.context;
    const name = `${this.sent.operation.metered ? 'model call' : 'call'} ${this.adapter.name}`;
    const record = new CallRecord(this.adapter.name, observers, name);
    const { credentialId } = this.lease;
    const ended = this.workspace.calls.begin({ credentialId, cut: () => response.destroy() });
    const outcome = await this.#relay(departure, response, record).finally(ended);
    record.end(outcome, this.#metered);
    return this.#conclude(outcome);
  }

  /** The agent's own request with the credential on it. */
  #asItIs(target: Target, path: string, headers: HeaderList): Departure {
    const { operation, query, body } = this.sent;
    this.adapter.applyCredential(headers, this.lease.credential);
    // A stream does not say by itself how long it is.
    if (body?.memory === null) headers.push('content-length', String(body.size));
    const request: UpstreamRequest = {
      method: operation.method,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body: body?.open() ?? null,
    };
    return { target, request, change: null };
  }

  async #translated(wire: Wire, target: Target, headers: HeaderList): Promise<Departure> {
    const { clock, limits, bedrockModels } = this.workspace.context;
    const { operation, path, body } = this.sent;
    const call = { operation, path, headers, body: (await body?.bytes()) ?? null };
    const translated = await wire.translate(call, this.lease.credential, {
      target,
      now: clock.now(),
      models: bedrockModels,
      maxErrorBytes: limits.maxErrorBytes,
      errorTimeoutSeconds: limits.withheldTimeoutSeconds,
    });
    return { target, ...translated };
  }

  #relay(
    { target, request, change, legible }: Departure,
    response: ServerResponse,
    record: CallRecord,
  ): Promise<CallOutcome> {
    const { limits, passesRefusals } = this.workspace.context;
    return relay(target, request, response, {
      change,
      withhold: (status) => !passesRefusals && (status === 401 || status === 403),
      release: (status, answer, bytes) => this.#releases(status, answer, bytes),
      filter: (answer) => answerHeaders(answer, ...secretsOf(this.lease.credential)),
      onHead: (status, answer) => {
        record.head(status);
        return this.#tapFor(status, answer, record, legible);
      },
      maxWithheldBytes: limits.maxErrorBytes,
      withheldTimeoutSeconds: limits.withheldTimeoutSeconds,
    });
  }

  /** True for an answer that refuses the call and not the credential: the agent is to read it, and nobody could do better with a newer token. */
  #releases(status: number, answer: HeaderList, bytes: Buffer): boolean {
    const body = this.#parsed(answer, bytes);
    if (this.adapter.refuses(status, body, answer)) return false;
    const errorType = this.adapter.errorType(body, answer);
    this.workspace.reports.add({ type: 'denied', ...this.#used(), status, errorType });
    return true;
  }

  #tapFor(status: number, answer: HeaderList, record: CallRecord, legible: Legible | undefined): Tap | null {
    if (status === 429) {
      return new ErrorTap(this.workspace.context.limits.maxErrorBytes, (bytes) =>
        this.#reportLimited(answer, bytes),
      );
    }
    if (!this.sent.operation.metered || status < 200 || status > 299) return null;
    this.workspace.reports.add({ type: 'served', ...this.#used() });
    return this.#meter(answer, record, legible);
  }

  #meter(answer: HeaderList, record: CallRecord, legible: Legible | undefined): Tap {
    const reader = this.adapter.newUsageReader();
    let finished: () => void = () => undefined;
    this.#metered = new Promise((resolve) => (finished = resolve));
    this.workspace.track(this.#metered);
    const done = (readable: boolean): void => {
      record.usage(this.#reportUsage(readable ? reader.usage() : UNKNOWN));
      // The agent has a part of this answer, so that nothing is sent again; but the next call shall come with another credential.
      const failure = reader.failure();
      if (failure !== null && this.adapter.refuses(200, failure, []))
        this.#refused(UNAUTHORIZED, failure, []);
      finished();
    };
    return new Meter(answer, reader, done, legible);
  }

  #reportUsage(told: Usage): Usage {
    const usage = { ...told, model: told.model ?? requestedModel(this.sent.body) };
    const isKnown = usage.inputTokens !== null && usage.outputTokens !== null;
    const atMost = isKnown ? {} : { atMost: atMostOf(this.sent.body) };
    this.workspace.reports.add({ type: 'usage', ...this.#used(), ...usage, ...atMost });
    return usage;
  }

  #conclude(outcome: CallOutcome): SendResult {
    if (outcome.kind === 'withheld') {
      this.#refused(outcome.status, this.#parsed(outcome.headers, outcome.body), outcome.headers);
      return 'refused';
    }
    // It may be that the model worked for it all the same.
    if (outcome.kind === 'client-gone' && outcome.sent && this.sent.operation.metered)
      this.#reportUsage(UNKNOWN);
    if (outcome.kind !== 'unreachable') return 'done';
    const code = field(outcome.error, 'code') ?? outcome.error.name;
    const fields = { workspaceId: this.workspace.id, upstream: this.adapter.name, code };
    this.workspace.context.log.warn(fields, 'upstream gave no answer');
    return 'unreachable';
  }

  #refused(status: number, body: unknown, headers: HeaderList): void {
    const { reports, leases } = this.workspace;
    const errorType = this.adapter.errorType(body, headers);
    const told = reports.tell({ type: 'refused', ...this.#used(), status, errorType });
    leases.refused(this.adapter.name, this.lease, told);
  }

  #reportLimited(answer: HeaderList, bytes: Buffer): void {
    const body = this.#parsed(answer, bytes);
    const now = this.workspace.context.clock.now();
    const until = this.adapter.limitedUntil({ headers: answer, body }, now)?.toISOString() ?? null;
    const errorType = this.adapter.errorType(body, answer);
    this.workspace.reports.add({ type: 'limited', ...this.#used(), errorType, until });
  }

  /** The body of a small error answer; null when it is not JSON, or in a coding that cannot be read. */
  #parsed(answer: HeaderList, bytes: Buffer): unknown {
    const { maxErrorBytes } = this.workspace.context.limits;
    const plain = decodeSmall(bytes, headerOf(answer, 'content-encoding'), maxErrorBytes);
    return plain && jsonOf(plain);
  }

  #used(): { credentialId: string; generation: number } {
    const { credentialId, generation } = this.lease;
    return { credentialId, generation };
  }

  /** Never to be sent where it does not belong: a key of one provider is not the other's to see. */
  #wrongKind(): BerthError {
    const { kind } = this.lease.credential;
    this.workspace.context.log.error({ workspaceId: this.workspace.id, kind }, 'lease of a wrong kind');
    return new BerthError(
      'not-ready',
      `Berth has no credential that ${this.adapter.title} understands at the moment.`,
    );
  }
}

/** Keeps the beginning of an error answer that is passed on. */
class ErrorTap implements Tap {
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly done: (bytes: Buffer) => void,
  ) {}

  data(chunk: Buffer): void {
    const part = chunk.subarray(0, this.maxBytes - this.#size);
    this.#size += part.length;
    this.#chunks.push(part);
  }

  end(): void {
    this.done(Buffer.concat(this.#chunks, this.#size));
  }
}

const UNKNOWN: Usage = {
  model: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
};

/** What a call may have used of which the provider did not say: a token is seldom less than three bytes of a request, and answers end at the bound that the request sets. */
function atMostOf(body: HeldBody | null): { inputTokens: number; outputTokens: number | null } {
  const request = readable(body);
  const bounds = OUTPUT_BOUNDS.map((name) => count(field(request, name)));
  const outputTokens = bounds.find((bound) => bound !== null) ?? null;
  return { inputTokens: Math.ceil((body?.size ?? 0) / BYTES_PER_TOKEN), outputTokens };
}

/** The model that was asked for, where the answer did not name one. Read only then, since parsing a long conversation takes time. */
function requestedModel(body: HeldBody | null): string | null {
  return modelName(field(readable(body), 'model'));
}

/** The request itself, unless it is too large to be read for a word or two. */
function readable(body: HeldBody | null): unknown {
  if (!body?.memory || body.size > MAX_PARSED_REQUEST_BYTES) return null;
  return jsonOf(body.memory);
}
