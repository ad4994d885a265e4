import type { BerthError } from '../kernel/index.js';
import type { Refusal } from './refusal.js';

/** What git is told where it cannot go on. With status 403, since of a 401 it shows nothing and asks for a password that nobody has. */

export const NO_REPOSITORY: Refusal = {
  status: 403,
  message:
    "This workspace's repository is not reached over https, so there is nothing to fetch from or push to here.",
};

export const NOT_ALLOWED: Refusal = {
  status: 403,
  message:
    "Only fetching from and pushing to this workspace's own repository is allowed through Berth's proxy.",
};

export const READ_ONLY: Refusal = {
  status: 403,
  message:
    'Nothing may be pushed from this workspace: it reads code of somebody who may not write to the repository.',
};

export const NOT_THERE: Refusal = {
  status: 404,
  message:
    'The git server knows no such repository, or does not show it to whom Berth asks for. If it is private, set a git_token in Berth that may read it.',
};

export const STALLED: Refusal = {
  status: 408,
  message: 'The request body stopped arriving. Run the git command again.',
};

export const UNREACHABLE: Refusal = {
  status: 502,
  message: "Berth's proxy got no answer from the git server. Try again in a moment.",
};

/** The git server wants a login. */
export function loginWanted(wasRefused: boolean): Refusal {
  return {
    status: 403,
    message: wasRefused
      ? 'The git server refused the git token that Berth holds for it. Set it anew in Berth (berth credentials set git_token).'
      : 'The git server asks for a login, and Berth holds no git token for it. Set one in Berth for that host (berth credentials set git_token).',
  };
}

export function redirected(status: number): Refusal {
  return {
    status: 502,
    message: `The git server redirects elsewhere (${status}), and Berth does not follow. Give the workspace the repository's current URL.`,
  };
}

/** There is no lease, whatever there is to lend. */
export function ofLease({ code, message, retryAfterSeconds }: BerthError): Refusal {
  if (code !== 'not-ready') return { status: 403, message };
  return { status: 503, message, retryAfterSeconds: retryAfterSeconds ?? 2 };
}
