import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Request, Response } from 'express';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { RouteContract } from '../../contracts/index.js';
import { isConflict } from '../../database/index.js';
import { ROUTE, validateInput } from '../../http/index.js';
import { BerthError, crashPoint } from '../../kernel/index.js';
import { toBerthError, writtenProblem, type WrittenProblem } from '../problem.js';
import { requestIdOf } from '../request-id.js';
import { addedHeaders, isFinal, type Answer, type Headers } from './answer.js';
import { fingerprintOf } from './fingerprint.js';
import { KeyScopes } from './key-scopes.js';
import { answerId, keyOf, takesKey, type KeyScope } from './key.js';
import { KeptAnswers, type Shelf } from './kept-answers.js';
import { KeptProblem } from './kept-problem.js';

/** Stands in the place of an answer that is to come: no answer has this status. */
const UNDER_WAY = 102;
/** Longer than a request can take. */
const UNDER_WAY_MS = 6 * 60_000;

/** One request that came with a key. */
interface Call {
  contract: RouteContract;
  request: Request;
  response: Response;
  scope: KeyScope;
  handle: CallHandler['handle'];
}

/** How a call ended: with a value or an error of the handler, or with an answer that was kept before. */
type Outcome = { value: unknown } | { error: unknown } | { kept: Answer };

/**
 * A request with an Idempotency-Key has one effect, however often it is sent: its effect and its answer are written in one transaction, and whoever sends it again gets
 * the answer again. It runs after the guard: what that refuses was never begun, and is asked anew each time.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly answers: KeptAnswers,
    private readonly scopes: KeyScopes,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const contract = Reflect.getMetadata(ROUTE, context.getHandler()) as RouteContract;
    if (!takesKey(contract)) return next.handle();
    const request = context.switchToHttp().getRequest<Request>();
    const response = context.switchToHttp().getResponse<Response>();
    const key = keyOf(request);
    if (key === null) return next.handle();
    const handle = (): Observable<unknown> => next.handle();
    return from(
      this.scopes
        .of(contract, request)
        .then((scope) => this.answer({ contract, request, response, scope, handle }, key)),
    );
  }

  /** Answers only after the commit: nobody hears of what could still be undone. */
  private async answer(call: Call, key: string): Promise<unknown> {
    const id = answerId(call.scope, key);
    if (call.contract.apart) return this.answerApart(call, id);
    const before = call.response.getHeaders();
    const outcome = await twice(() => {
      restoreHeaders(call.response, before);
      return this.answers.within(call.scope, id, (shelf) => this.once(call, shelf));
    });
    crashPoint('answer.committed');
    if ('error' in outcome) throw outcome.error;
    if ('value' in outcome) return outcome.value;
    return replay(outcome.kept, call.response);
  }

  /**
   * Of a route whose effect lies at another system. No transaction is open while it is waited for: first it is written that the request is under way, and its answer takes that place. Killed
   * in between, the key is in use for some minutes, and then the route is asked once more, which knows by its own rows what it did.
   */
  private async answerApart(call: Call, id: string): Promise<unknown> {
    const within = <T>(work: (shelf: Shelf) => Promise<T>): Promise<T> =>
      twice(() => this.answers.within(call.scope, id, work));
    const fingerprint = fingerprintOf(call.request);
    const kept = await within(async (shelf) => {
      if (!(await shelf.lock())) throw inUse();
      const found = await shelf.find();
      if (found && found.fingerprint !== fingerprint) throw reused();
      if (found?.status === UNDER_WAY) throw inUse();
      if (found) return found;
      validateInput(call.contract, call.request);
      await shelf.keep({ status: UNDER_WAY, headers: {}, body: null, fingerprint }, UNDER_WAY_MS);
      return null;
    });
    if (kept) return replay(kept, call.response);
    const before = call.response.getHeaders();
    const outcome = await outcomeOf(() => lastValueFrom(call.handle(), { defaultValue: undefined }));
    const isKept = 'value' in outcome || isFinal(outcome.error, problemOf(outcome.error, call), call.scope);
    const answer = answerOf(outcome, call, addedHeaders(before, call.response.getHeaders()));
    await within(async (shelf) => {
      await shelf.forget();
      if (isKept) await shelf.keep({ ...answer, fingerprint });
    });
    crashPoint('answer.committed');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  private async once(call: Call, shelf: Shelf): Promise<Outcome> {
    // The lock first: whoever has it sees what its last holder committed, so nobody comes between this look and what follows.
    if (!(await shelf.lock())) throw inUse();
    const fingerprint = fingerprintOf(call.request);
    const kept = await shelf.find();
    if (kept && kept.fingerprint !== fingerprint) throw reused();
    if (kept) return { kept };
    // As the handler will once more; a body that is no input of this route was never begun either.
    validateInput(call.contract, call.request);
    const before = call.response.getHeaders();
    const outcome = await this.execute(call, shelf);
    await shelf.keep({
      ...answerOf(outcome, call, addedHeaders(before, call.response.getHeaders())),
      fingerprint,
    });
    crashPoint('answer.kept');
    return outcome;
  }

  /** What fails leaves nothing but its answer. */
  private async execute(call: Call, shelf: Shelf): Promise<{ value: unknown } | { error: unknown }> {
    try {
      return await shelf.part(async () => {
        const value: unknown = await lastValueFrom(call.handle(), { defaultValue: undefined });
        if (call.response.headersSent)
          throw new BerthError('internal', 'A handler answered by itself, before what it did was committed.');
        return { value };
      });
    } catch (error) {
      if (isFinal(error, problemOf(error, call), call.scope)) return { error };
      throw error;
    }
  }
}

/** A transaction that another one stood in the way of is undone, and carried out once more. */
async function twice<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  try {
    return await work();
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw new BerthError('database-unavailable', 'Too much happens here at once. Try again.', {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
}

async function outcomeOf(work: () => Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

function problemOf(error: unknown, call: Call): WrittenProblem {
  return writtenProblem(toBerthError(error), requestIdOf(call.request));
}

function answerOf(outcome: { value: unknown } | { error: unknown }, call: Call, added: Headers): Answer {
  if ('error' in outcome) {
    const { status, headers, body } = problemOf(outcome.error, call);
    return { status, headers: { ...added, ...headers }, body };
  }
  const { value } = outcome;
  const body = value === undefined || value === null ? null : JSON.stringify(value);
  return { status: call.response.statusCode, headers: added, body };
}

/** Gives a kept answer as it was given first: a value by the handler's way, a problem by the filter's. */
function replay({ status, headers, body }: Answer, response: Response): unknown {
  response.setHeader('idempotency-replayed', 'true');
  if (status >= 400) throw new KeptProblem({ status, headers, body: body ?? '' });
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  return body === null ? undefined : (JSON.parse(body) as unknown);
}

function restoreHeaders(response: Response, before: OutgoingHttpHeaders): void {
  for (const name of response.getHeaderNames()) if (!(name in before)) response.removeHeader(name);
  for (const [name, value] of Object.entries(before))
    if (value !== undefined) response.setHeader(name, value);
}

function inUse(): BerthError {
  const advice = 'A request with this Idempotency-Key is under way. Ask again for its answer.';
  return new BerthError('idempotency-key-in-use', advice, { retryAfterSeconds: 1 });
}

function reused(): BerthError {
  const advice =
    'This Idempotency-Key was used for another request. A key is for one request and its retries: same method, address, query and body, byte for byte.';
  return new BerthError('idempotency-key-reused', advice);
}
