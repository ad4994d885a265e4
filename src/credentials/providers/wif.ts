import { BerthError, hintOf, type Clock } from '../../kernel/index.js';
import { subjectOf } from '../issuer/assertion.js';
import type { Federation } from '../kinds.js';
import type { FederationSettings } from './federation.js';
import { endOf, tokenIn, wordOf } from './grant.js';
import { post, type AnswerBody, type Posted, type PostLimits } from './token-endpoint.js';
import type { Renewal, RenewalRequest, TokenSource } from './token-source.js';

/** What vouches for a workspace. */
export interface Asserts {
  /** Throws `not-ready` in a process that does not know it. */
  readonly url: string;
  assert(workspace: { organizationId: string; workspaceId: string }): Promise<string>;
}

/** Nothing is spent by a call that is given up, so that it need not be waited for longer than somebody who needs the token would. */
const LIMITS: PostLimits = { deadlineSeconds: 30, connectSeconds: 10, maxBytes: 64 * 1024 };

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** As Anthropic's own SDK sends it on the exchange (providers.md 2.1). */
const BETAS = 'oauth-2025-04-20,oidc-federation-2026-04-01';
const PROVIDER = 'Anthropic';

/** Tokens by workload identity: Berth says, signed, which workspace it is, and a federation rule at Anthropic gives a token for it. Asked for anew each time: there is nothing that could be used up. */
export class FederatedTokens implements TokenSource {
  readonly graceSeconds = 0;

  constructor(
    private readonly settings: FederationSettings,
    private readonly issuer: Asserts,
    private readonly clock: Clock,
    private readonly limits: PostLimits = LIMITS,
  ) {}

  /** Berth cannot read a cluster's token where its workspaces do not run in one, and a file of the server's would be the same for every organization. */
  obstacle({ federation }: RenewalRequest['settings']): string | null {
    if (federation?.identity !== 'kubernetes') return null;
    return 'has the identity of a Kubernetes service account, and this Berth runs workspaces without Kubernetes; set it with the identity berth';
  }

  async renew({ organizationId, workspaceId, settings }: RenewalRequest): Promise<Renewal> {
    const { federation } = settings;
    if (!federation || workspaceId === null)
      throw new BerthError('internal', 'A federated token is minted for a workspace, by a rule.');
    const obstacle = this.obstacle(settings);
    if (obstacle) return failed(`It ${obstacle}`);
    const workspace = { organizationId, workspaceId };
    let assertion: string;
    try {
      assertion = await this.issuer.assert(workspace);
    } catch (error) {
      // Another replica may have the key, or know the address.
      if (!(error instanceof BerthError)) throw error;
      return failed(error.message);
    }
    const posted = await post(
      this.settings.tokenUrl,
      { json: requestOf(federation, assertion), headers: { 'anthropic-beta': BETAS } },
      this.limits,
    );
    return this.#read(posted, () => this.#hint(federation, subjectOf(organizationId, workspaceId)));
  }

  /** An answer that was lost is one that was not given: the token in it, if there was one, is nobody's and runs out. */
  #read(posted: Posted, hint: () => string): Renewal {
    if (posted.kind === 'not-sent') return failed(`${PROVIDER} could not be reached (${posted.reason})`);
    if (posted.kind === 'no-answer') return failed(`The answer of ${PROVIDER} was lost (${posted.reason})`);
    const token = isGood(posted) && posted.body ? tokenIn(posted.body.access_token) : null;
    if (!token) return refusal(posted, hint);
    const expiresAt = endOf(posted.body?.expires_in, null, this.clock.now());
    return { outcome: 'renewed', renewed: { secret: { token }, hint: hintOf(token), expiresAt } };
  }

  /** Every denial reads the same; the reason stands at Anthropic alone (providers.md 2.4). */
  #hint({ ruleId }: Federation, subject: string): string {
    return `${PROVIDER} denied the workload identity, and says why only in its Console, in the authentication history. Compare rule ${ruleId} with what Berth sends: issuer ${this.issuer.url}, audience ${this.settings.audience}, subject ${subject}`;
  }
}

/** providers.md 2.1. */
function requestOf({ ruleId, organizationId, serviceAccountId, workspaceId }: Federation, assertion: string) {
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
function refusal(posted: Answered, hint: () => string): Renewal {
  const { status, body, unreadable, retryAfterSeconds } = posted;
  const word = body ? wordOf(body) : null;
  if (status === 401 && word === 'authentication_error') return { outcome: 'rejected', reason: hint() };
  if (status === 400 && body && word === 'invalid_request_error')
    return { outcome: 'rejected', reason: `${PROVIDER} did not understand the request (${said(body)})` };
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

function failed(reason: string, retryAfterSeconds: number | null = null): Renewal {
  return { outcome: 'failed', reason, retryAfterSeconds };
}
