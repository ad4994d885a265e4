/**
 * Headers as one flat list `[name, value, name, value, …]`, the form in which Node receives and sends them: order, spelling and repetition
 * survive the way through the proxy.
 */
export type HeaderList = string[];

/** Headers that belong to one connection (RFC 9110 section 7.6.1) and never travel on. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];

/** What an agent's request never carries upstream: its placeholder, cookies, and what the proxy sets anew. */
const NOT_FROM_AGENT = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'api-key',
  'cookie',
  // Where a request comes from is nobody's business, and an agent could make it up.
  'forwarded',
  'via',
  'host',
  // The body is sent in one piece with a length of its own, after Node has answered any `100-continue`.
  'content-length',
  'expect',
]);

/** Cookies of an upstream are the proxy's own; an agent has no use for them. */
const NOT_FROM_UPSTREAM = new Set([...HOP_BY_HOP, 'set-cookie']);

/** The header names that `Connection` marks as belonging to this connection only. */
function connectionNames(headers: HeaderList): Set<string> {
  const names = new Set<string>();
  eachHeader(headers, (name, value) => {
    if (name !== 'connection') return;
    for (const token of value.split(',')) names.add(token.trim().toLowerCase());
  });
  return names;
}

function eachHeader(headers: HeaderList, visit: (name: string, value: string, index: number) => void): void {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    visit((headers[i] ?? '').toLowerCase(), headers[i + 1] ?? '', i);
  }
}

function without(headers: HeaderList, dropped: (name: string, value: string) => boolean): HeaderList {
  const kept: HeaderList = [];
  const named = connectionNames(headers);
  eachHeader(headers, (name, value, i) => {
    if (named.has(name) || name.startsWith('proxy-') || dropped(name, value)) return;
    kept.push(headers[i] ?? '', value);
  });
  return kept;
}

/**
 * What of an agent's request goes upstream: everything but credentials, cookies and connection headers. The real credential is added after this,
 * so that `Connection: x-api-key` cannot take it away again.
 */
export function requestHeaders(raw: HeaderList): HeaderList {
  return without(raw, (name) => NOT_FROM_AGENT.has(name) || name.startsWith('x-forwarded-'));
}

/**
 * What of an upstream's answer goes to the agent: everything but cookies and connection headers. A header that repeats a secret of the credential
 * (an upstream or a middlebox that echoes requests) is left out.
 */
export function answerHeaders(raw: HeaderList, ...secrets: string[]): HeaderList {
  // With both framings present the length is void (RFC 9112 section 6.3) and would cut the body we frame anew.
  const chunked = headerOf(raw, 'transfer-encoding') !== undefined;
  return without(raw, (name, value) => {
    if (NOT_FROM_UPSTREAM.has(name) || (chunked && name === 'content-length')) return true;
    return secrets.some((secret) => secret !== '' && value.includes(secret));
  });
}

/** The first value of a header, or undefined. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/** Adds `token` to a comma-separated header unless it is there; the other tokens and their order stay. */
export function addToken(headers: HeaderList, name: string, token: string): void {
  let first = -1;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() !== name) continue;
    if (first < 0) first = i;
    if (tokensOf(headers[i + 1] ?? '').some((found) => sameToken(found, token))) return;
  }
  const value = headers[first + 1];
  if (first < 0 || value === undefined) headers.push(name, token);
  else headers[first + 1] = value === '' ? token : `${value},${token}`;
}

/** Takes `token` out of a comma-separated header; a header left empty goes too. Lines without the token stay as they are. */
export function removeToken(headers: HeaderList, name: string, token: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i]?.toLowerCase() !== name) continue;
    const tokens = tokensOf(headers[i + 1] ?? '');
    const kept = tokens.filter((found) => !sameToken(found, token));
    if (kept.length === tokens.length) continue;
    if (kept.length === 0) headers.splice(i, 2);
    else headers[i + 1] = kept.join(',');
  }
}

/** The tokens of a comma-separated header, of all its lines. */
export function headerTokens(headers: HeaderList, name: string): string[] {
  const tokens: string[] = [];
  eachHeader(headers, (found, value) => {
    if (found === name) tokens.push(...tokensOf(value));
  });
  return tokens;
}

/** Takes every line of a header away. */
export function removeHeader(headers: HeaderList, name: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i]?.toLowerCase() === name) headers.splice(i, 2);
  }
}

function tokensOf(value: string): string[] {
  return value
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}

function sameToken(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Node-style raw headers of an undici answer as text. */
export function textHeaders(raw: readonly (Buffer | string)[]): HeaderList {
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}
