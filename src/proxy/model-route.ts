import type { IncomingMessage, ServerResponse } from 'node:http';
import { BerthError, forCause } from '../kernel/index.js';
import { CallRecord } from './call-record.js';
import { answerHeaders, headerOf, requestHeaders, type HeaderList } from './headers.js';
import { field, jsonOf } from './json.js';
import type { HeldLease } from './leases.js';
import { decodeSmall, Meter } from './metering.js';
import { refuse, type Refusal } from './refusal.js';
import { readBody, type HeldBody } from './request-body.js';
import type { RequestTarget } from './request-target.js';
import { relay, type CallOutcome, type Tap } from './upstream-call.js';
import { modelName, type Operation, type Usage, type UpstreamAdapter } from './upstreams/adapter.js';
import type { Workspace } from './workspace.js';

/** Above this size a request is not parsed only to learn its model. */
const MAX_PARSED_REQUEST_BYTES = 1024 * 1024;

/** One model call of an agent, from its placeholder to the last byte of the answer. */
export class ModelCall {
  /** Ends when the tokens of the answer are known, if it has any. */
  #metered: Promise<void> = Promise.resolve();

  constructor(
    private readonly workspace: Workspace,
    private readonly adapter: UpstreamAdapter,
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {}

  /** Answers the request. `target` is the provider's own path and query. Throws what has no answer of its own (ClientGone, bugs). */
  async run(target: RequestTarget): Promise<void> {
    const operation = this.adapter.operations.find(
      (each) => each.method === this.request.method && each.path === target.path,
    );
    if (!operation) {
      this.#refuse(notAllowed(this.adapter));
      return;
    }
    if (!this.workspace.placeholder.isCarriedBy(this.request.headers)) {
      this.#refuse(WRONG_PLACEHOLDER);
      return;
    }
    let body: HeldBody | null = null;
    try {
      const [held, lease] = await this.#prepare(operation);
      body = held;
      this.workspace.cause = lease.cause;
      await forCause(lease.cause, () => this.#send(operation, target, held, lease));
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      this.#refuse(refusalOf(error));
    } finally {
      body?.release();
    }
  }

  /** Reads the body (null where the call has none) and gets the lease meanwhile, so that one wait covers both. */
  async #prepare(operation: Operation): Promise<[HeldBody | null, HeldLease]> {
    const { limits } = this.workspace.context;
    const rules = {
      maxBytes: limits.maxBodyBytes,
      timeoutSeconds: limits.bodyTimeoutSeconds,
      budget: this.workspace.bodies,
    };
    const body = operation.method === 'GET' ? Promise.resolve(null) : readBody(this.request, rules);
    try {
      return await Promise.all([body, this.workspace.leases.get(this.adapter.name)]);
    } catch (error) {
      // No lease: the body may still be on its way, and its share of the budget with it.
      body.then((late) => late?.release()).catch(() => undefined);
      throw error;
    }
  }

  async #send(
    operation: Operation,
    target: RequestTarget,
    body: HeldBody | null,
    lease: HeldLease,
  ): Promise<void> {
    const { context } = this.workspace;
    if (!this.adapter.kinds.has(lease.credential.kind)) {
      // Never to be sent where it does not belong: a key of one provider is not the other's to see.
      context.log.error(
        { workspaceId: this.workspace.id, kind: lease.credential.kind },
        'lease of a wrong kind',
      );
      throw new BerthError(
        'not-ready',
        `Berth has no credential that ${this.adapter.title} understands at the moment.`,
      );
    }
    const headers = requestHeaders(this.request.rawHeaders);
    this.adapter.applyCredential(headers, lease.credential);
    const record = new CallRecord(
      this.adapter.name,
      context.observers,
      `${operation.metered ? 'model call' : 'call'} ${this.adapter.name}`,
    );
    const path = target.query === '' ? target.path : `${target.path}?${target.query}`;
    const outcome = await relay(
      context.targets[this.adapter.name],
      { method: operation.method, path, headers, body: body?.bytes ?? null },
      this.response,
      {
        withhold: (status) => status === 401,
        filter: (answer) => answerHeaders(answer, lease.credential.secret.reveal()),
        onHead: (status, answer) => {
          record.head(status);
          return this.#onHead(operation, status, answer, body, lease, record);
        },
        maxWithheldBytes: context.limits.maxErrorBytes,
        withheldTimeoutSeconds: context.limits.withheldTimeoutSeconds,
      },
    );
    record.end(outcome, this.#metered);
    this.#conclude(outcome, lease);
  }

  #onHead(
    operation: Operation,
    status: number,
    answer: HeaderList,
    body: HeldBody | null,
    lease: HeldLease,
    record: CallRecord,
  ): Tap | null {
    if (status === 403)
      return new ErrorTap(this.workspace.context.limits.maxErrorBytes, (bytes) => {
        this.#reportRefused(status, answer, bytes, lease);
      });
    if (!operation.metered || status < 200 || status > 299) return null;
    const { credentialId, generation } = lease;
    this.workspace.reports.add({ type: 'served', credentialId, generation });
    return this.#meter(answer, body, lease, record);
  }

  #meter(answer: HeaderList, body: HeldBody | null, lease: HeldLease, record: CallRecord): Tap {
    const reader = this.adapter.newUsageReader();
    const { credentialId, generation } = lease;
    let finished: () => void = () => undefined;
    this.#metered = new Promise((resolve) => (finished = resolve));
    this.workspace.track(this.#metered);
    return new Meter(answer, reader, (readable) => {
      const usage = readable ? reader.usage() : UNKNOWN;
      const model = usage.model ?? requestedModel(body);
      this.workspace.reports.add({ type: 'usage', credentialId, generation, ...usage, model });
      record.usage({ ...usage, model });
      finished();
    });
  }

  #conclude(outcome: CallOutcome, lease: HeldLease): void {
    if (outcome.kind === 'withheld') {
      this.#reportRefused(outcome.status, outcome.headers, outcome.body, lease);
      this.#refuse(credentialRefused(this.adapter));
    } else if (outcome.kind === 'unreachable') {
      const code = field(outcome.error, 'code') ?? outcome.error.name;
      const fields = { workspaceId: this.workspace.id, upstream: this.adapter.name, code };
      this.workspace.context.log.warn(fields, 'upstream gave no answer');
      this.#refuse(unreachable(this.adapter));
    }
  }

  #reportRefused(status: number, answer: HeaderList, bytes: Buffer, lease: HeldLease): void {
    const { reports, leases, context } = this.workspace;
    const plain = decodeSmall(bytes, headerOf(answer, 'content-encoding'), context.limits.maxErrorBytes);
    const errorType = plain && this.adapter.errorType(jsonOf(plain));
    const { credentialId, generation } = lease;
    reports.add({ type: 'refused', credentialId, generation, status, errorType });
    leases.refused(this.adapter.name, lease, reports.delivered());
  }

  #refuse(refusal: Refusal): void {
    const requestId = this.workspace.context.ids.next();
    refuse(this.request, this.response, this.adapter.formatRefusal, refusal, requestId);
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

/** The model that was asked for, where the answer did not name one. Read only then, since parsing a long conversation takes time. */
function requestedModel(body: HeldBody | null): string | null {
  if (!body || body.bytes.length > MAX_PARSED_REQUEST_BYTES) return null;
  return modelName(field(jsonOf(body.bytes), 'model'));
}

const WRONG_PLACEHOLDER: Refusal = {
  status: 401,
  message:
    'This request does not carry the placeholder of this workspace. Use the agent as Berth started it, without a key of your own.',
  shouldRetry: false,
};

function notAllowed(adapter: UpstreamAdapter): Refusal {
  return {
    status: 404,
    message: `This path of ${adapter.title}'s API is not allowed through Berth's proxy.`,
    code: 'not_allowed',
  };
}

/** In place of the upstream's own text, which may repeat part of the key. */
function credentialRefused(adapter: UpstreamAdapter): Refusal {
  return {
    status: 401,
    message: `${adapter.title} refused the credential that Berth holds for this workspace. Check it in Berth under Credentials.`,
    code: 'credential_refused',
    shouldRetry: false,
  };
}

function unreachable(adapter: UpstreamAdapter): Refusal {
  return {
    status: 502,
    message: `Berth's proxy got no answer from ${adapter.title}. Try again in a moment.`,
  };
}

function refusalOf(error: BerthError): Refusal {
  if (error.code === 'forbidden') return { status: 403, message: error.message, shouldRetry: false };
  if (error.code === 'no-agent-credential') {
    return { status: 401, message: error.message, code: 'no_agent_credential', shouldRetry: false };
  }
  if (error.code === 'not-ready') {
    return { status: 503, message: error.message, retryAfterSeconds: error.retryAfterSeconds ?? 2 };
  }
  return { status: error.code === 'payload-too-large' ? 413 : 400, message: error.message };
}
