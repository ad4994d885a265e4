import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Request } from 'express';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { Audit, type NewEntry } from '../../audit/index.js';
import { auditedMember, auditedPerson, callerOf } from '../../identity/index.js';
import { LOG, messageOf, type BerthError, type Log } from '../../kernel/index.js';

/** The same refusal of the same person is booked once in so many seconds, and so many different ones: who is refused must not fill the log of others. */
const WINDOW_SECONDS = 60;
const PER_PERSON = 60;
/** A path may be long, and is kept for the window. */
const MAX_KEY = 300;

/** Refusals that tell of a right that is missing: of the role, or of another's thing, which is not there for them. */
const codes = new Set(['forbidden', 'not-found', 'csrf']);

/**
 * Books what signed-in people were refused. Beside the answer and not before it: a refusal changes nothing, so it does not wait for the log, and a log that cannot be written
 * cannot turn it into something else.
 */
@Injectable()
export class RefusedAttempts implements OnModuleDestroy {
  private readonly same = new RateLimiterMemory({ points: 1, duration: WINDOW_SECONDS, keyPrefix: 'same' });
  private readonly byPerson = new RateLimiterMemory({
    points: PER_PERSON,
    duration: WINDOW_SECONDS,
    keyPrefix: 'person',
  });
  readonly #underWay = new Set<Promise<void>>();

  constructor(
    private readonly audit: Audit,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** To be told of every problem that is answered; never throws. */
  note(request: Request, { code, status }: BerthError): void {
    const { person, actor } = callerOf(request);
    if (!person || !codes.has(code)) return;
    const attempt = `${request.method} ${request.path}`;
    const entry: NewEntry = {
      action: 'access.refused',
      actor: actor ? auditedMember(actor) : auditedPerson(person),
      subject: { type: 'route', id: attempt, name: null },
      details: { code, status },
    };
    const work = this.book(actor?.organizationId ?? null, person.id, entry);
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  /** At the end of the process what was refused last is still booked. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  private async book(organizationId: string | null, personId: string, entry: NewEntry): Promise<void> {
    try {
      await this.same.consume(
        `${personId} ${organizationId ?? ''} ${entry.subject?.id ?? ''}`.slice(0, MAX_KEY),
      );
      await this.byPerson.consume(personId);
    } catch {
      // Booked a moment ago, or too many: the log has each request anyway.
      return;
    }
    try {
      await this.audit.appendAlone(organizationId, entry);
    } catch (error) {
      this.log.warn({ reason: messageOf(error), personId }, 'a refused attempt could not be booked');
    }
  }
}
