import type { IncomingHttpHeaders } from 'node:http';

/** The values of `anthropic-beta`. */
export function betasOf(headers: IncomingHttpHeaders): string[] {
  const value = headers['anthropic-beta'];
  return (Array.isArray(value) ? value.join(',') : (value ?? '')).split(',').map((beta) => beta.trim());
}
