import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ProxyHeld } from '../contracts/proxy.js';
import { BerthError, forCause, NO_CAUSE } from '../kernel/index.js';
import { Hold } from './hold.js';
import type { HeldLease } from './leases.js';
import { ModelSend, type ModelRequest, type SendResult } from './model-send.js';
import { refuse, type Refusal } from './refusal.js';
import { readBody, type HeldBody } from './request-body.js';
import type { RequestTarget } from './request-target.js';
import type { Operation, UpstreamAdapter } from './upstreams/adapter.js';
import type { Workspace } from './workspace.js';

/** Nobody reads it; an `abort` without a reason makes an error with its stack, for each call. */
const OVER = 'over';

/** One model call of an agent, from its placeholder to the last byte of the answer; sent again with another credential when the first was refused. */
export class ModelCall {
  constructor(
    private readonly workspace: Workspace,
    private readonly adapter: UpstreamAdapter,
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {}

  /** Answers the request. `target` is the provider's own path and query. Throws what has no answer of its own (ClientGone, bugs). */
  async run(target: RequestTarget): Promise<void> {
    const operation = this.adapter.operations.find(
      (each) => each.method === this.request.method && isOf(each, target.path),
    );
    if (!operation) {
      this.#refuse(notAllowed(this.adapter));
      return;
    }
    if (!this.workspace.placeholder.isCarriedBy(this.request.headers)) {
      this.#refuse(WRONG_PLACEHOLDER);
      return;
    }
    const over = new AbortController();
    const onClose = (): void => over.abort(OVER);
    this.response.once('close', onClose);
    if (this.response.destroyed || this.response.closed) over.abort(OVER);
    const { leases, budget, context } = this.workspace;
    const budgeted = operation.metered ? budget.call() : null;
    const hold = new Hold(budgeted ?? leases, this.adapter.name, context.limits, over.signal);
    let outcome: ProxyHeld['outcome'] = 'left';
    try {
      outcome = await this.#answer(operation, target, hold);
    } finally {
      this.response.off('close', onClose);
      // What still waits for a lease (the body was too large, say) waits for nobody.
      over.abort(OVER);
      budgeted?.end();
      this.#tellHeld(hold, outcome);
    }
  }

  async #answer(operation: Operation, target: RequestTarget, hold: Hold): Promise<ProxyHeld['outcome']> {
    let body: HeldBody | null = null;
    try {
      let lease: HeldLease;
      [body, lease] = await this.#prepare(operation, hold);
      for (;;) {
        const result = await this.#send({ operation, ...target, body }, lease);
        if (result !== 'refused') return this.#conclude(result);
        hold.refused(lease);
        lease = await hold.next();
      }
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      this.#refuse(refusalOf(error, this.adapter, hold.wasRefused));
      return error.code === 'not-ready' ? 'not-ready' : 'refused';
    } finally {
      body?.release();
    }
  }

  /** Reads the body (null where the call has none) and gets the lease meanwhile, so that one wait covers both. */
  async #prepare(operation: Operation, hold: Hold): Promise<[HeldBody | null, HeldLease]> {
    const { limits } = this.workspace.context;
    const rules = {
      maxBytes: limits.maxBodyBytes,
      spillBytes: limits.spillBytes,
      timeoutSeconds: limits.bodyTimeoutSeconds,
      budget: this.workspace.bodies,
    };
    const body = operation.method === 'GET' ? Promise.resolve(null) : readBody(this.request, rules);
    try {
      return await Promise.all([body, hold.next()]);
    } catch (error) {
      // No lease: the body may still be on its way, and its share of the budget with it.
      body.then((late) => late?.release()).catch(() => undefined);
      throw error;
    }
  }

  async #send(sent: ModelRequest, lease: HeldLease): Promise<SendResult> {
    this.workspace.cause = lease.cause;
    const send = new ModelSend(this.workspace, this.adapter, sent, lease);
    const run = (): Promise<SendResult> => send.run(this.request, this.response);
    // Without a cause there is nothing to carry along, and carrying has its price at each promise below.
    return lease.cause === NO_CAUSE ? run() : forCause(lease.cause, run);
  }

  #conclude(result: Exclude<SendResult, 'refused'>): ProxyHeld['outcome'] {
    if (result === 'unreachable') this.#refuse(unreachable(this.adapter));
    if (result === 'no-place') this.#refuse(noPlace(this.adapter));
    return this.response.headersSent ? 'answered' : 'left';
  }

  /** Most calls do not wait for more than a first lease, and there is nothing to tell of them. */
  #tellHeld(hold: Hold, outcome: ProxyHeld['outcome']): void {
    if (hold.heldSeconds === null) return;
    const { id, context } = this.workspace;
    const held = {
      upstream: this.adapter.name,
      outcome,
      seconds: hold.heldSeconds,
      resends: hold.resends,
    };
    context.log.info({ workspaceId: id, ...held }, 'held');
    context.observers.held(held);
  }

  #refuse(refusal: Refusal): void {
    const requestId = this.workspace.context.ids.next();
    refuse(this.request, this.response, this.adapter.formatRefusal, refusal, requestId);
  }
}

function isOf({ path }: Operation, asked: string): boolean {
  return typeof path === 'string' ? path === asked : path.test(asked);
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

function noPlace(adapter: UpstreamAdapter): Refusal {
  return {
    status: 404,
    message: `The credential that serves this workspace does not open this path of ${adapter.title}'s API. An API key would.`,
    code: 'not_allowed',
  };
}

/** In place of the upstream's own text, which may repeat part of the key. */
function credentialRefused(adapter: UpstreamAdapter): Refusal {
  return {
    status: 401,
    message: `${adapter.title} refused the credential that Berth holds for this workspace: "berth credentials explain" says why. Set or connect it anew.`,
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

function refusalOf(error: BerthError, adapter: UpstreamAdapter, wasRefused: boolean): Refusal {
  // Not 429: waiting does not help, and an agent that is told to would come again and again.
  if (error.code === 'budget-spent')
    return { status: 403, message: error.message, code: 'budget_spent', shouldRetry: false };
  if (error.code === 'forbidden') return { status: 403, message: error.message, shouldRetry: false };
  if (error.code === 'no-agent-credential') {
    // What was refused a moment ago says more than that nothing is left.
    if (wasRefused) return credentialRefused(adapter);
    return { status: 401, message: error.message, code: 'no_agent_credential', shouldRetry: false };
  }
  if (error.code === 'not-ready') {
    return { status: 503, message: error.message, retryAfterSeconds: error.retryAfterSeconds ?? 2 };
  }
  return { status: error.code === 'payload-too-large' ? 413 : 400, message: error.message };
}
