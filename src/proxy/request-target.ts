/** A checked request target: `path` starts with a slash, `query` is without its question mark and verbatim. */
export interface RequestTarget {
  path: string;
  query: string;
}

const MAX_TARGET_LENGTH = 8192;
/** Visible ASCII only. Node's parser lets bytes above 0x7f pass. */
const PLAIN = /^\/[\x21-\x7e]*$/;
/** Encoded dots, slashes, backslashes, NUL and percent signs: spellings by which one server's path becomes another's. */
const ENCODED_TRICK = /%(?:2e|2f|5c|00|25)/i;

/**
 * Reads the target of a request line. Null for anything that two servers could read in two ways: absolute form (`http://other/…`), `*`,
 * dot segments, doubled slashes, backslashes, encoded separators. The path is later compared with an allow-list or with the workspace's own
 * repository; this check keeps the comparison and the upstream from seeing different paths.
 */
export function parseTarget(url: string): RequestTarget | null {
  if (url.length > MAX_TARGET_LENGTH || !PLAIN.test(url) || url.includes('#')) return null;
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  if (path.includes('//') || path.includes('\\') || ENCODED_TRICK.test(path)) return null;
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return null;
  return { path, query };
}

/** The rest of a path below a prefix: `below('/anthropic/v1', '/anthropic')` is `/v1`, of the prefix itself ``; null when it is elsewhere. */
export function below(path: string, prefix: string): string | null {
  if (path === prefix) return '';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : null;
}
