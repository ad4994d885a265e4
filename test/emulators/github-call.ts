import type { LedgerEntry } from './ledger.js';
import type { GithubApp, GithubInstallation, GithubPermissions, GithubUser } from './github-world.js';

/** Who calls, once the credential was looked at. */
export type GithubCaller =
  | { by: 'nobody' }
  | { by: 'app'; app: GithubApp }
  | {
      by: 'installation';
      installation: GithubInstallation;
      permissions: GithubPermissions;
      /** What the token was narrowed to; null: all of the installation's. */
      repositoryIds: Set<number> | null;
      token: string;
    }
  | { by: 'user'; user: GithubUser; app: GithubApp; token: string };

/** One call of the API, read. */
export interface GithubCall {
  entry: LedgerEntry;
  /** Parts of the path by name, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** JSON, or a form's fields; empty without a body. */
  body: Record<string, unknown>;
  caller: GithubCaller;
  /** ISO 8601. */
  now: string;
}

export interface GithubAnswer {
  status: number;
  /** JSON; a text is sent as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** An error as GitHub's API says it. */
export class GithubRefusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly extra: Record<string, unknown> = {},
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  get body(): unknown {
    const documentation_url = 'https://docs.github.com/rest';
    return { message: this.message, ...this.extra, documentation_url, status: String(this.status) };
  }
}

export const notFound = (): GithubRefusal => new GithubRefusal(404, 'Not Found');
export const forbidden = (): GithubRefusal =>
  new GithubRefusal(403, 'Resource not accessible by integration');
export const invalid = (message: string): GithubRefusal =>
  new GithubRefusal(422, 'Validation Failed', { errors: [{ message, code: 'custom' }] });

/** A text field of the body. Throws 422 when it is missing or something else. */
export function textOf(call: GithubCall, field: string): string {
  const value = call.body[field];
  if (typeof value !== 'string' || value === '')
    throw new GithubRefusal(422, `Invalid request.\n\n"${field}" wasn't supplied.`);
  return value;
}

/** A number in the path. Throws 404 when it is none. */
export function numberOf(call: GithubCall, name: string): number {
  const number = Number(call.params[name]);
  if (!Number.isSafeInteger(number)) throw notFound();
  return number;
}

/** One page of a list, with the `Link` header by which a client finds the next one. */
export function page<T>(call: GithubCall, items: readonly T[], view: (items: T[]) => unknown): GithubAnswer {
  const size = Math.min(100, Math.max(1, Number(call.query.get('per_page') ?? 30) || 30));
  const at = Math.max(1, Number(call.query.get('page') ?? 1) || 1);
  const part = items.slice((at - 1) * size, at * size);
  const link = (number: number, rel: string): string => {
    const query = new URLSearchParams(call.query);
    query.set('page', String(number));
    const origin = `http://${call.entry.headers.host ?? '127.0.0.1'}`;
    return `<${origin}${call.entry.path}?${query.toString()}>; rel="${rel}"`;
  };
  const more = at * size < items.length;
  const last = Math.max(1, Math.ceil(items.length / size));
  return {
    status: 200,
    body: view(part),
    headers: more ? { link: `${link(at + 1, 'next')}, ${link(last, 'last')}` } : {},
  };
}

/** A call of the API that this GitHub knows. */
export interface GithubRoute {
  method: string;
  path: RegExp;
  /** It makes content, of which an installation may make 80 in a minute. */
  content: boolean;
  handle: (call: GithubCall) => GithubAnswer | Promise<GithubAnswer>;
}

/** `'GET /repos/:owner/:repo'` with what answers it. `*name` takes slashes too. */
export function route(
  call: string,
  handle: GithubRoute['handle'],
  { content = false }: { content?: boolean } = {},
): GithubRoute {
  const [method = '', path = ''] = call.split(' ');
  const pattern = path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)').replaceAll(/\*(\w+)/g, '(?<$1>.+)');
  return { method, path: new RegExp(`^${pattern}$`), content, handle };
}
