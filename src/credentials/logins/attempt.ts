import type { AuthorizationStatus, Kind } from '../../contracts/index.js';
import { invalid } from '../../http/index.js';
import { BerthError } from '../../kernel/index.js';
import { kinds } from '../kinds.js';

/**
 * What an attempt to connect a login is. `pending`: the person is at the provider's page. `exchanging`: its code is being exchanged, which works once; one that stays so was killed in between.
 * The others are ends.
 */
export type AttemptState = 'pending' | 'exchanging' | 'connected' | 'expired' | 'refused' | 'replaced';

/** An attempt, as decisions need it. */
export interface AttemptFacts {
  state: string;
  message: string | null;
  expiresAt: Date;
}

/** As long as the codes of the providers: OpenAI's end after a quarter of an hour, Claude's serve for some minutes after the page showed them. */
export const ATTEMPT_SECONDS = 15 * 60;
/** Longer than an exchange can take. */
export const EXCHANGE_SECONDS = 5 * 60;

/** How each kind is connected: a code to paste back, or one to type at the provider's page. Kinds that are missing here are set, not connected. */
const methods: Partial<Record<Kind, 'paste' | 'device'>> = {
  claude_oauth: 'paste',
  openai_oauth: 'device',
};

/** Throws `operation-not-possible` for a kind that is no login. */
export function methodOf(kind: Kind): 'paste' | 'device' {
  const method = methods[kind];
  if (method) return method;
  throw new BerthError(
    'operation-not-possible',
    `There is nothing to sign in to for a ${kinds[kind].title}: set it with PUT …/credentials/{scope}/${kind}.`,
  );
}

export interface PastedCode {
  code: string;
  state: string;
}

const TOKEN = /^sk-ant-(oat|ort|api)/;

/**
 * Reads what a person copied: `code#state`, the whole address of the page, or its query. White space, quotes and line breaks come from terminals and chats, and neither part has any. Throws
 * `validation-failed` with what to copy instead; what was pasted is never repeated.
 */
export function readPasted(text: string): PastedCode {
  const pasted = text.replace(/[\s\u200b\u200c\u200d\u2060\ufeff]+/g, '').replace(/^["'`<(]+|["'`>)]+$/g, '');
  if (pasted === '') throw wrong('is empty; paste the code that the page shows');
  if (TOKEN.test(pasted))
    throw wrong(
      'is a token or key, not a code; set it as the kind that it is (PUT …/credentials/{scope}/{kind})',
    );
  const { code, state, error, isLink } = partsOf(pasted);
  if (error) throw wrong('says that the sign-in was declined; begin again, and agree on the page');
  if (isLink) throw wrong('is the link itself; open it, agree, and paste the code that the page then shows');
  if (!code || !state)
    throw wrong('is only a part of the code; copy all of it: two pieces with a # between them');
  if (!FORM.test(code) || !FORM.test(state))
    throw wrong('contains characters that a code cannot have; copy it again');
  return { code, state };
}

const FORM = /^[\x21-\x7e]{1,4096}$/;

interface Parts {
  code: string | null;
  state: string | null;
  error: boolean;
  isLink: boolean;
}

function partsOf(pasted: string): Parts {
  const isAddress = /^https?:\/\//i.test(pasted);
  if (!isAddress && !/^\??(code|state|error)=/.test(pasted)) {
    const [code = '', ...rest] = pasted.split('#');
    return { code, state: rest.join('#'), error: false, isLink: false };
  }
  if (isAddress && !URL.canParse(pasted)) throw wrong('is no whole address; copy it again');
  const url = new URL(isAddress ? pasted : `http://query/?${pasted.replace(/^\?/, '')}`);
  const { searchParams: query, hash } = url;
  return {
    code: query.get('code'),
    state: query.get('state') ?? (hash.slice(1) || null),
    error: query.has('error'),
    isLink: query.has('code_challenge') || query.get('code') === 'true',
  };
}

function wrong(message: string): BerthError {
  return invalid([{ path: 'body.code', message }]);
}

/** Said where an attempt's end was not the provider's doing. */
export const messages = {
  replaced: 'A newer link was made in the meantime. Use that one, or begin again.',
  expired: 'The link is over: it is good for a quarter of an hour. Begin again.',
  interrupted:
    'Berth was interrupted while it exchanged the code, and a code serves once. Begin again; the page will ask a second time.',
  connected: 'This code was used: the login is connected.',
  unknown:
    'This code belongs to no link that was made here for this credential. Open the newest link, or begin again; a code of another Berth, organization or scope does not serve.',
  another: 'This code belongs to a link that another person made. Begin again, and open your own link.',
} as const;

/** Why a pasted code cannot be exchanged for this attempt; null when it can. Of an attempt under way the wait is worth it. */
export function refusalOf({ state, message, expiresAt }: AttemptFacts, now: Date): string | null {
  switch (state as AttemptState) {
    case 'pending':
      return expiresAt > now ? null : messages.expired;
    case 'exchanging':
      return expiresAt > now ? 'This code is being exchanged at this moment.' : messages.interrupted;
    case 'connected':
      return messages.connected;
    case 'replaced':
      return messages.replaced;
    case 'expired':
      return messages.expired;
    case 'refused':
      return message ?? messages.interrupted;
  }
}

/** An attempt as people see it. */
export function statusOf(attempt: AttemptFacts, now: Date): AuthorizationStatus {
  const { state, message, expiresAt } = attempt;
  const view = (shown: AuthorizationStatus['state'], said: string): AuthorizationStatus => ({
    state: shown,
    message: said,
    expiresAt: expiresAt.toISOString(),
  });
  switch (state as AttemptState) {
    case 'pending':
      return expiresAt > now
        ? view('pending', message ?? 'Waiting for you to sign in at the provider’s page.')
        : view('expired', messages.expired);
    case 'exchanging':
      return expiresAt > now
        ? view('pending', 'Signed in; the login is being stored.')
        : view('refused', messages.interrupted);
    case 'connected':
      return view('connected', 'The login is connected.');
    case 'expired':
      return view('expired', messages.expired);
    case 'replaced':
      return view('refused', messages.replaced);
    case 'refused':
      return view('refused', message ?? messages.interrupted);
  }
}
