import { isIP } from 'node:net';
import { z } from 'zod';

/** Loopback addresses are the only ones that plain `http:` upstreams and open defaults are meant for. */
const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);

export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.has(host);
}

/** An absolute http(s) URL with nothing in it that a base of other URLs cannot have; the slash at its end is dropped. */
const baseUrl = (mayBe: (url: URL) => boolean, expected: string) =>
  z
    .string()
    .refine(
      (text) => {
        const url = URL.canParse(text) ? new URL(text) : null;
        return url !== null && mayBe(url) && !url.username && !url.password && !/[?#]/.test(text);
      },
      { error: `must be ${expected}, without user name, password, query or fragment` },
    )
    .transform((text) => text.replace(/\/+$/, ''));

/** Where Berth itself is reached. Plain http is for whom to decide who runs it, for example behind a proxy of their own. */
export const ownUrl = baseUrl(
  ({ protocol }) => protocol === 'https:' || protocol === 'http:',
  'an absolute http:// or https:// URL',
);

/** True where nobody on the way can read along. */
export function isSafeForSecrets({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** Where secrets are sent to: never in the clear over a network. */
export const secretsUrl = baseUrl(isSafeForSecrets, 'an absolute https:// URL (http:// only on loopback)');
export const upstreamUrl = (fallback: string) => secretsUrl.default(fallback);

/** One that follows from another where it is not given. */
export const upstreamUrlIfAny = secretsUrl.optional();

/** Where AWS serves Bedrock: each region under a name of its own, or all of them behind one address. */
const REGION = '{region}';

export const regionalUrl = (fallback: string) => {
  const inOne = (text: string): string => text.replace(REGION, 'us-east-1');
  const whole = upstreamUrl(inOne(fallback));
  return z
    .string()
    .refine((text) => !/[{}]/.test(inOne(text)) && whole.safeParse(inOne(text)).success, {
      error: `must be an absolute https:// URL (http:// only on loopback), without user name, password, query or fragment; ${REGION} in it stands for a region`,
    })
    .transform((text) => text.replace(/\/+$/, ''))
    .default(fallback);
};

/** Ids by names, as in `claude-opus-5=arn:aws:bedrock:…`. */
export const namedIds = z
  .string()
  .default('')
  .transform((text, context) => {
    const pairs = text.split(',').filter((pair) => pair.trim() !== '');
    const ids = pairs.map((pair) => splitOnce(pair.trim(), '='));
    if (ids.some(([name, id]) => !/^[\w.:/[\]-]+$/.test(name ?? '') || !/^[\w.:/-]+$/.test(id ?? ''))) {
      context.addIssue({
        code: 'custom',
        message: 'must be name=id[,name=id…], as in claude-opus-5=eu.anthropic.claude-opus-5',
      });
      return z.NEVER;
    }
    return Object.fromEntries(ids) as Record<string, string>;
  });

/** Digits only: `Number` would take a space for 0 and "1e3" for 1000. */
export const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum, {
      error: `must be a whole number from ${minimum} to ${maximum}`,
    })
    .transform(Number);

export const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` });

/** Before and after the first separator; all of it when there is none. */
export function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

export const host = z
  .string()
  .refine((text) => isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text), {
    error: 'must be an address or a host name, without scheme and port',
  });
