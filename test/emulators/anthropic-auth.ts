import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { betasOf } from './betas.js';
import type { ClaudeLogins } from './claude-logins.js';
import type { AccessState } from './login-book.js';
import type { KnownCredentials, ReceivedCredential } from './ledger.js';

/** An error as the API says it: status, `error.type`, `error.message`. */
export interface AnthropicError {
  status: number;
  type: string;
  message: string;
}

/** The beta that an OAuth token needs on each request. */
export const OAUTH_BETA = 'oauth-2025-04-20';

/** First words of the system blocks that mark a request of Claude Code or of its Agent SDK. */
const CLAUDE_CODE_IDENTITY = /^You are (Claude Code|a Claude agent, built on Anthropic's Claude Agent SDK)/;

const INVALID = 'Invalid authentication credentials';

const unauthorized = (message: string): AnthropicError => ({
  status: 401,
  type: 'authentication_error',
  message,
});

/**
 * Why a credential is refused; null when it is good. An API key (`sk-ant-api03-…`) goes in `x-api-key`, an OAuth or setup token
 * (`sk-ant-oat01-…`) as a bearer with the OAuth beta, and never both headers at once.
 */
export function refuseCredential(
  credential: ReceivedCredential,
  headers: IncomingHttpHeaders,
  known: KnownCredentials,
  logins: ClaudeLogins,
): AnthropicError | null {
  const { kind, value } = credential;
  const isToken = value.startsWith('sk-ant-oat01-');
  switch (kind) {
    case 'none':
      return unauthorized('x-api-key header is required');
    case 'x-api-key':
      return !isToken && known.knows(value) ? null : unauthorized('invalid x-api-key');
    case 'bearer':
      return isToken ? refuseToken(value, headers, known, logins) : unauthorized(INVALID);
    case 'both':
    case 'aws':
    case 'basic':
      return unauthorized(INVALID);
  }
}

/** Of a token that a login gave, its login says whether it lives; of one by workload identity the federation. */
function refuseToken(
  token: string,
  headers: IncomingHttpHeaders,
  known: KnownCredentials,
  logins: ClaudeLogins,
): AnthropicError | null {
  const login = logins.book.stateOf(token) ?? logins.federation.stateOf(token);
  if (!login && !known.knows(token)) return unauthorized(INVALID);
  const refused = login && refusalOf(login.state, logins.revokedStatus);
  if (refused) return refused;
  return betasOf(headers).includes(OAUTH_BETA)
    ? null
    : unauthorized('OAuth authentication is currently not supported.');
}

/** Why a login's token does not serve (providers.md 1.8); null when it does. */
function refusalOf(state: AccessState, revokedStatus: 401 | 403): AnthropicError | null {
  switch (state) {
    case 'living':
      return null;
    case 'expired':
      return unauthorized('OAuth access token has expired. Re-authenticate to continue.');
    case 'revoked': {
      const message = 'OAuth token has been revoked. Please obtain a new token.';
      return revokedStatus === 403
        ? { status: 403, type: 'permission_error', message }
        : unauthorized(INVALID);
    }
    case 'rotated':
    case 'ended':
      return unauthorized(INVALID);
  }
}

const systemSchema = z.union([
  z.string().transform((text) => [text]),
  z.array(z.looseObject({ text: z.string() })).transform((blocks) => blocks.map(({ text }) => text)),
]);

/**
 * A subscription's token serves Claude Code alone: another client's request is a 400, except with Haiku (reported by users, not
 * documented; providers.md 1.7). Null when the request may pass.
 */
export function refuseForeignClient(
  credential: ReceivedCredential,
  model: string,
  system: unknown,
  logins: ClaudeLogins,
): AnthropicError | null {
  if (credential.kind !== 'bearer' || model.includes('haiku')) return null;
  // Not a subscription's, though it looks the same.
  if (logins.federation.stateOf(credential.value)) return null;
  const blocks = systemSchema.safeParse(system).data ?? [];
  // The first block may be the billing line.
  if (blocks.slice(0, 2).some((text) => CLAUDE_CODE_IDENTITY.test(text))) return null;
  return {
    status: 400,
    type: 'invalid_request_error',
    message:
      'This credential is only authorized for use with Claude Code and cannot be used for other API requests.',
  };
}
