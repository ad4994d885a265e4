import { wordOf, type AnswerBody, type Posted } from '../../oauth/index.js';

/** How one provider speaks at its token endpoint. */
export interface Dialect<T> {
  /** As people call it. */
  provider: string;
  /** The provider's word for a grant that is over for good; null when the answer says no such thing. */
  ended(status: number, body: AnswerBody): string | null;
  /** The tokens of a good answer; null when what it must hold is missing. */
  read(body: AnswerBody): T | null;
}

/** What an answer comes to; see `Renewal` for what each means. */
export type Grant<T> =
  | { outcome: 'granted'; value: T }
  | { outcome: 'rejected'; reason: string }
  | { outcome: 'failed'; reason: string; retryAfterSeconds: number | null }
  | { outcome: 'unknown'; reason: string };

/**
 * Reads an answer of a token endpoint (providers.md 0.9): only the provider's own word ends a login; every other refusal may be asked again; and of a call that may have been carried
 * out without its answer arriving whole nobody can tell.
 */
export function grantOf<T>(posted: Posted, dialect: Dialect<T>): Grant<T> {
  const { provider } = dialect;
  switch (posted.kind) {
    case 'not-sent':
      return failed(`${provider} could not be reached (${posted.reason})`);
    case 'no-answer':
      return { outcome: 'unknown', reason: `The answer of ${provider} was lost (${posted.reason})` };
    case 'answered':
      return isGood(posted.status) ? granted(posted, dialect) : refused(posted, dialect);
  }
}

type Answered = Extract<Posted, { kind: 'answered' }>;

const isGood = (status: number): boolean => status >= 200 && status < 300;

function granted<T>({ status, body, unreadable }: Answered, dialect: Dialect<T>): Grant<T> {
  const value = body && dialect.read(body);
  if (value) return { outcome: 'granted', value };
  const why = unreadable ?? 'holds no token';
  return {
    outcome: 'unknown',
    reason: `${dialect.provider} answered with status ${status}, and its answer ${why}`,
  };
}

function refused<T>({ status, body, retryAfterSeconds }: Answered, dialect: Dialect<T>): Grant<T> {
  const { provider } = dialect;
  const ended = isRefusal(status) && body ? dialect.ended(status, body) : null;
  if (ended) return { outcome: 'rejected', reason: `${provider} refused the login (${ended})` };
  if (status < 400)
    return failed(`${provider}'s token endpoint sends elsewhere (status ${status}), which is not followed`);
  const said = body ? wordOf(body) : null;
  return failed(
    `${provider}'s token endpoint answered with status ${status}${said ? ` (${said})` : ''}`,
    retryAfterSeconds,
  );
}

/** Of the client's errors those that judge what was asked; 408 and 429 only put it off. */
const isRefusal = (status: number): boolean =>
  status >= 400 && status < 500 && status !== 408 && status !== 429;

function failed(reason: string, retryAfterSeconds: number | null = null) {
  return { outcome: 'failed' as const, reason, retryAfterSeconds };
}
