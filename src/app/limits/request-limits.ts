import { setTimeout as delay } from 'node:timers/promises';
import type { NextFunction, Request, Response } from 'express';
import type { Actor, Person } from '../../identity/index.js';
import { BerthError, Turnstile } from '../../kernel/index.js';
import { KnownCallers } from './known-callers.js';
import { Pace } from './pace.js';
import { RequestLimiter, type Standing } from './request-limiter.js';

/** So many refusals are held back at a time. Beyond, they are given at once. */
const MAX_HELD = 1000;

/** So many requests of one organization are worked on at a time in this process; a pool of ten connections serves them all. The others wait for their own. */
const AT_A_TIME = 4;

/**
 * The limit of requests per organization, so that a noisy tenant does not slow the others. Machines, health and what is open to everybody are not counted here.
 *
 * A refusal is given after the end of the second in which it was earned: who asks again at once, as loops without a pause do, cannot ask faster by being refused. It costs a timer, and
 * where the caller is known already, no question to the database. Who was refused is then let in at an even pace for a while.
 */
export class RequestLimits {
  readonly #limiter = new RequestLimiter();
  readonly #callers = new KnownCallers();
  readonly #turnstile = new Turnstile(AT_A_TIME);
  readonly #pace = new Pace();
  #held = 0;

  /**
   * For the edge: refuses a known caller who is beyond the limit, before anything else is done for them, and has one who comes with many requests at once wait for their own. The
   * place is given back with the head of the answer, so that a stream takes none while it lasts.
   */
  shield() {
    return (request: Request, response: Response, next: NextFunction): void => {
      const key = this.#callers.find(request);
      if (key === null) {
        next();
        return;
      }
      void this.#admit(key, response).then((isHere) => (isHere ? next() : undefined), next);
    };
  }

  /** False: who asked has gone meanwhile. */
  async #admit(key: string, response: Response): Promise<boolean> {
    const standing = await this.#limiter.look(key);
    const waitMs = standing.exceeded ? null : this.#pace.enter(key, standing.limit, performance.now());
    if (waitMs === null) return this.#refuse(key, standing, response);
    if (waitMs > 0) await delay(waitMs);
    // Here already: what is refused before the guard has counted it (a body that is no JSON) says it too.
    tell(standing, response);
    const leave = once(await this.#turnstile.enter(key));
    if (response.destroyed) {
      leave();
      return false;
    }
    response.once('close', leave);
    whenHeadIsWritten(response, leave);
    return true;
  }

  /** For the guard, once it is proven who calls: counts the request, and says on the answer how the caller stands. Throws `too-many-requests`. */
  async count(request: Request, response: Response, caller: Counted): Promise<void> {
    const key = keyOf(caller);
    if (caller.actor && caller.limit !== undefined) this.#limiter.learn(key, caller.limit);
    this.#callers.remember(request, key);
    const standing = await this.#limiter.count(key);
    if (standing.exceeded) await this.#refuse(key, standing, response);
    else tell(standing, response);
  }

  async #refuse(key: string, standing: Standing, response: Response): Promise<never> {
    tell({ ...standing, remaining: 0 }, response);
    const beyondMs = this.#pace.refuse(key, standing.limit, performance.now());
    if (this.#held < MAX_HELD) {
      this.#held += 1;
      await delay(standing.resetMs + beyondMs).finally(() => (this.#held -= 1));
    }
    throw new BerthError(
      'too-many-requests',
      `More than ${standing.limit} requests in a second. Wait a second, and ask less often.`,
      { retryAfterSeconds: 1 },
    );
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

/** Node tells of it by no event. */
function whenHeadIsWritten(response: Response, work: () => void): void {
  const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => Response;
  response.writeHead = ((...head: unknown[]) => {
    work();
    return writeHead(...head);
  }) as Response['writeHead'];
}

/** Who calls, and in which organization, if they are in the one they named. */
export interface Counted {
  person: Person;
  actor?: Actor | null;
  /** Requests per second of the actor's organization. */
  limit?: number;
}

/** The organization's; a key's own where it names another one; and where a session names none that is theirs, the person's. */
function keyOf({ person, actor }: Counted): string {
  if (actor) return actor.organizationId;
  return person.via.type === 'api-key' ? person.via.organizationId : person.id;
}

/** The headers of draft-ietf-httpapi-ratelimit-headers up to version 6, which clients know; later drafts put the same into two structured fields that hardly any reads yet. */
function tell({ limit, remaining, resetMs }: Standing, response: Response): void {
  response.setHeader('ratelimit-limit', String(limit));
  response.setHeader('ratelimit-remaining', String(remaining));
  response.setHeader('ratelimit-reset', String(Math.ceil(resetMs / 1000)));
}
