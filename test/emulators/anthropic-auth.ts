import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
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
): AnthropicError | null {
  const { kind, value } = credential;
  const isToken = value.startsWith('sk-ant-oat01-');
  switch (kind) {
    case 'none':
      return unauthorized('x-api-key header is required');
    case 'x-api-key':
      return !isToken && known.knows(value) ? null : unauthorized('invalid x-api-key');
    case 'bearer':
      if (!isToken || !known.knows(value)) return unauthorized('Invalid authentication credentials');
      return betasOf(headers).includes(OAUTH_BETA)
        ? null
        : unauthorized('OAuth authentication is currently not supported.');
    case 'both':
    case 'basic':
      return unauthorized('Invalid authentication credentials');
  }
}

/** The values of `anthropic-beta`. */
export function betasOf(headers: IncomingHttpHeaders): string[] {
  const value = headers['anthropic-beta'];
  return (Array.isArray(value) ? value.join(',') : (value ?? '')).split(',').map((beta) => beta.trim());
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
): AnthropicError | null {
  if (credential.kind !== 'bearer' || model.includes('haiku')) return null;
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
