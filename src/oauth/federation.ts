import type { Clock } from '../kernel/clock.js';
import { post, type AnswerBody, type Posted, type PostLimits } from './token-endpoint.js';
import { endOf, tokenIn, wordOf } from './words.js';

/** What a federation rule at Anthropic needs to be told, as its Console shows it (providers.md 2.1). */
export interface FederationTarget {
  ruleId: string;
  organizationId: string;
  serviceAccountId: string;
  /** Null: the rule covers one workspace, which need not be named. */
  workspaceId: string | null;
}

/**
 * What came of an exchange. `denied`: Anthropic does not take the identity, and says why only in its Console. `malformed`: it did not understand what it was told. Both are there until a
 * person mends something; `failed` is for the moment. The reasons hold nothing that was sent or answered in secret.
 */
export type Exchanged =
  | { outcome: 'exchanged'; token: string; expiresAt: Date }
  | { outcome: 'denied' }
  | { outcome: 'malformed'; reason: string }
  | { outcome: 'failed'; reason: string; retryAfterSeconds: number | null };

/** Nothing is spent by a call that is given up, so that it need not be waited for longer than somebody who needs the token would. */
export const EXCHANGE_LIMITS: PostLimits = { deadlineSeconds: 30, connectSeconds: 10, maxBytes: 64 * 1024 };

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** As Anthropic's own SDK sends it on the exchange (providers.md 2.1). */
const BETAS = 'oauth-2025-04-20,oidc-federation-2026-04-01';
const PROVIDER = 'Anthropic';

/** Gives a signed identity to Anthropic's federation and gets a token for it. Never rejects. */
export async function exchangeAssertion(
  tokenUrl: string,
  target: FederationTarget,
  assertion: string,
  clock: Clock,
  limits: PostLimits = EXCHANGE_LIMITS,
): Promise<Exchanged> {
  const posted = await post(
    tokenUrl,
    { json: requestOf(target, assertion), headers: { 'anthropic-beta': BETAS } },
    limits,
  );
  return read(posted, clock);
}

/** An answer that was lost is one that was not given: the token in it, if there was one, is nobody's and runs out. */
function read(posted: Posted, clock: Clock): Exchanged {
  if (posted.kind === 'not-sent') return failed(`${PROVIDER} could not be reached (${posted.reason})`);
  if (posted.kind === 'no-answer') return failed(`The answer of ${PROVIDER} was lost (${posted.reason})`);
  const token = isGood(posted) && posted.body ? tokenIn(posted.body.access_token) : null;
  if (!token) return refusal(posted);
  return { outcome: 'exchanged', token, expiresAt: endOf(posted.body?.expires_in, null, clock.now()) };
}

/** providers.md 2.1. */
function requestOf(
  { ruleId, organizationId, serviceAccountId, workspaceId }: FederationTarget,
  assertion: string,
) {
  return {
    grant_type: GRANT,
    assertion,
    federation_rule_id: ruleId,
    organization_id: organizationId,
    service_account_id: serviceAccountId,
    ...(workspaceId === null ? {} : { workspace_id: workspaceId }),
  };
}

type Answered = Extract<Posted, { kind: 'answered' }>;

const isGood = ({ status }: Answered): boolean => status >= 200 && status < 300;

/** Only Anthropic's own words end it (providers.md 2.4): whoever else stands in between may have a bad day. */
function refusal(posted: Answered): Exchanged {
  const { status, body, unreadable, retryAfterSeconds } = posted;
  const word = body ? wordOf(body) : null;
  if (status === 401 && word === 'authentication_error') return { outcome: 'denied' };
  if (status === 400 && body && word === 'invalid_request_error')
    return { outcome: 'malformed', reason: `${PROVIDER} did not understand the request (${said(body)})` };
  const why = isGood(posted) ? (unreadable ?? 'holds no token') : word;
  return failed(
    `${PROVIDER}'s token endpoint answered with status ${status}${why ? ` (${why})` : ''}`,
    retryAfterSeconds,
  );
}

const MAX_SAID = 200;
/** What looks like a token, or a part of one. */
const TOKEN = /[\w-]{40,}(\.[\w-]+)*/g;

/** The useful text of a malformed request (providers.md 2.4), short, on one line, and without anything that was sent in secret. */
function said({ error }: AnswerBody): string {
  const { message } = (typeof error === 'object' && error !== null ? error : {}) as AnswerBody;
  if (typeof message !== 'string') return 'invalid_request_error';
  const text = message.replace(/[^\x20-\x7e]+/g, ' ').replace(TOKEN, '…');
  return text.length > MAX_SAID ? `${text.slice(0, MAX_SAID)}…` : text;
}

function failed(reason: string, retryAfterSeconds: number | null = null): Exchanged {
  return { outcome: 'failed', reason, retryAfterSeconds };
}
