import { BerthError, type Clock } from '../../kernel/index.js';
import type { ReplySender, ReplyToSend, SendOutcome } from '../../triggers/index.js';
import { failureOf } from './api-failure.js';
import type { GithubReach } from './reach.js';
import { Saying, subjectSchema } from './saying.js';

/** Says replies at GitHub. What GitHub refuses is a time to come again, or the end of the reply; nothing waits in here. */
export function githubSender(reach: GithubReach, clock: Clock): ReplySender {
  return async (job, signal) => {
    const bot = await reach.bot();
    if (!bot) return { outcome: 'dropped', reason: 'This Berth has no App at GitHub any more.' };
    const subject = subjectSchema.parse(job.conversation.subject);
    try {
      const place = await reach.placeOf(job.organizationId, subject, bot, { signal });
      const outcome = await new Saying(job, place, bot).say();
      return { ...outcome, calls: place.writes };
    } catch (error) {
      return endOf(error, job, clock.now());
    }
  };
}

/** A try may be overtaken by the news that the system left, or even that it is back: the next one finds out how it stands. */
const [FIRST_SECONDS, RECONNECT_SECONDS] = [5, 60];

/** Throws what may pass: that is tried again. */
function endOf(error: unknown, { reply }: ReplyToSend, now: Date): SendOutcome {
  if (error instanceof BerthError && error.code === 'not-connected')
    // Once that is known here its conversations are closed, with a reason that says what becomes of what waits.
    return {
      outcome: 'later',
      reason: error.message,
      retryAfterSeconds: reply.attempts === 0 ? FIRST_SECONDS : RECONNECT_SECONDS,
    };
  if (typeof (error as { status?: unknown }).status !== 'number' || error instanceof BerthError) throw error;
  const failure = failureOf(error, reply.attempts, now);
  switch (failure.kind) {
    case 'limited':
      return {
        outcome: 'later',
        retryAfterSeconds: failure.retryAfterSeconds,
        reason: 'GitHub takes no more from this installation for the moment.',
        forAll: true,
      };
    case 'missing':
      return { outcome: 'dropped', reason: 'What it belongs to is gone at GitHub.' };
    case 'refused':
      return { outcome: 'dropped', reason: `GitHub refused it (${failure.status}).` };
    case 'passing':
      throw error;
  }
}
