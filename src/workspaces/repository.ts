import type { RepositorySource } from '../contracts/index.js';
import { shortId } from '../kernel/index.js';

/** Where repositories come from, by configuration. */
export interface RepositoryPolicy {
  githubUrl: string;
  /** Folders under which file:// is allowed; null: any; none: not allowed. */
  fileRoots: readonly string[] | null;
  /** Berth's own data, which is never a repository. */
  dataDirectory: string;
}

export type ParsedRepository = { source: RepositorySource } | { problem: string };

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;
/** The last one may begin with a dot or a dash too (`.github`), but is never one that leads elsewhere, nor what git keeps for itself. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/;
const GITHUB = 'github.com';

/**
 * What a person typed, as a source: `owner/name`, an https git URL, or a file:// URL. Everything else is refused, above all what git would take for an option
 * (`--upload-pack=…`) or a helper program (`ext::…`). Only the text is judged here; whether a folder exists is asked by the service.
 */
export function parseRepository(text: string): ParsedRepository {
  const input = text.trim();
  if (/\p{Cc}/u.test(text)) return { problem: 'must not contain control characters' };
  const [owner = '', name = '', ...rest] = input.split('/');
  if (rest.length === 0 && SEGMENT.test(owner) && isName(name, GITHUB)) return https(GITHUB, [owner, name]);
  if (input.startsWith('https://')) return parseHttps(input);
  if (input.startsWith('file://')) return parseFile(input);
  return { problem: 'must be owner/name, an https:// git URL, or a file:// URL' };
}

function parseHttps(input: string): ParsedRepository {
  const url = URL.canParse(input) ? new URL(input) : null;
  if (!url) return { problem: 'is not a valid URL' };
  if (url.username || url.password)
    return {
      problem: 'must not contain a user name or password; set a git_token credential for its host instead',
    };
  if (url.search || url.hash) return { problem: 'must not contain a query or fragment' };
  // The text and not the parsed URL: a parser resolves `..`, takes `\` for `/` and drops empty parts, all silently.
  const [host = '', ...parts] = input.slice('https://'.length).split('/');
  const segments = parts.filter((segment, at) => segment !== '' || at < parts.length - 1);
  if (
    host === '' ||
    host.includes('\\') ||
    segments.length < 2 ||
    !segments.slice(0, -1).every((segment) => SEGMENT.test(segment)) ||
    !isName(segments.at(-1) ?? '', url.host)
  )
    return { problem: 'must be https://host/owner/name' };
  if (isAddress(url.hostname)) return { problem: 'must name the host by its name, not by an address' };
  return https(url.host.toLowerCase(), segments);
}

/** With or without the ending of its URL, of which it has one at most. At GitHub what ends in `.wiki` is no repository but the wiki of one. */
function isName(name: string, host: string): boolean {
  const bare = name.replace(/\.git$/i, '');
  return NAME.test(bare) && !/\.git$/i.test(bare) && !(host === GITHUB && /\.wiki$/i.test(bare));
}

function https(host: string, segments: string[]): ParsedRepository {
  const path = `${[host, ...segments].join('/').replace(/\.git$/i, '')}.git`;
  return { source: { type: 'https', url: `https://${path}`, path } };
}

/** Addresses and names of this machine: the way to services that trust their network (SSRF). The parser has turned `0x7f.1` and the like into plain digits. */
function isAddress(hostname: string): boolean {
  // A final dot names the same host.
  const name = hostname.replace(/\.$/, '');
  return name.startsWith('[') || /^[\d.]+$/.test(name) || name === 'localhost' || name.endsWith('.localhost');
}

function parseFile(input: string): ParsedRepository {
  const url = URL.canParse(input) ? new URL(input) : null;
  if (!url || (url.host !== '' && url.host !== 'localhost'))
    return { problem: 'must be file:///absolute/path' };
  if (url.search || url.hash) return { problem: 'must not contain a query or fragment' };
  let path: string;
  let text: string;
  try {
    path = decodeURIComponent(url.pathname);
    text = decodeURIComponent(input);
  } catch {
    return { problem: 'is not a valid URL' };
  }
  if (/\p{Cc}/u.test(path)) return { problem: 'must not contain control characters' };
  // Asked of the text: in the parsed path `..`, also as `%2e%2e` or between backslashes, is resolved already.
  if (/(^|[\\/])\.\.($|[\\/])/.test(text)) return { problem: 'must not contain ..' };
  const clean = path.replace(/\/+$/, '');
  if (clean === '') return { problem: 'must name a folder' };
  return { source: { type: 'file', url: `file://${clean}`, path: clean } };
}

/** A repository that is reached over https. */
export interface HttpsPlace {
  host: string;
  /** `owner/name` there, as it is called now. */
  repository: string;
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
}

/** Where a workspace's repository is; null for folders. Its tree still has the address that it was made with. */
export function httpsPlaceOf(workspace: {
  source: RepositorySource;
  repository: string;
  repositoryId: string | null;
}): HttpsPlace | null {
  const { source, repositoryId } = workspace;
  const made = httpsParts(source);
  // Only of what has a number it is known to be the same under another name.
  const now = repositoryId === null ? null : parseRepository(workspace.repository);
  const called = now && 'source' in now ? httpsParts(now.source) : null;
  return made && { ...made, repository: called?.repository ?? made.repository, repositoryId };
}

function httpsParts(source: RepositorySource): { host: string; repository: string } | null {
  if (source.type !== 'https') return null;
  const [host = '', ...parts] = source.path.replace(/\.git$/, '').split('/');
  return { host, repository: parts.join('/') };
}

/** By which name and number this Berth's GitHub knows a repository; null for folders and other hosts. */
export function githubPlaceOf(
  workspace: Parameters<typeof httpsPlaceOf>[0],
  githubUrl: string,
): { fullName: string; repositoryId: string | null } | null {
  const place = httpsPlaceOf(workspace);
  if (!place || ![GITHUB, new URL(githubUrl).host].includes(place.host)) return null;
  return { fullName: place.repository, repositoryId: place.repositoryId };
}

/** A repository by one name, however people write it: `github.com/owner/name`, or the folder's URL. */
export function nameOfSource(source: RepositorySource): string {
  return source.type === 'https' ? source.path.replace(/\.git$/, '') : source.url;
}

/** Which repository that is, for who counts by it. */
export interface KnownRepository {
  /** By one name, as it is called now: `github.com/owner/name`, or the folder's URL. */
  name: string;
  /** GitHub's number of it; null: it is known by its name alone. */
  repositoryId: string | null;
}

export function knownRepositoryOf(workspace: Parameters<typeof httpsPlaceOf>[0]): KnownRepository {
  const place = httpsPlaceOf(workspace);
  if (!place) return { name: nameOfSource(workspace.source), repositoryId: null };
  return { name: `${place.host}/${place.repository}`, repositoryId: place.repositoryId };
}

/** What a person typed, or as Berth itself shows it (`nameOfSource`); null when that is no repository. */
export function sourceNamed(text: string): RepositorySource | null {
  for (const written of [text, `https://${text.trim()}`]) {
    const parsed = parseRepository(written);
    if ('source' in parsed) return parsed.source;
  }
  return null;
}

/** Why the folder behind a file:// URL may not be used; null when it may. `realPath` is free of links, so that none leads out of the roots. */
export function fileObstacle(realPath: string, policy: RepositoryPolicy): string | null {
  if (policy.fileRoots !== null && !policy.fileRoots.some((root) => isWithin(realPath, root))) {
    return policy.fileRoots.length === 0
      ? 'file:// repositories are not allowed on this Berth (BERTH_FILE_REPOSITORIES)'
      : `must be below ${policy.fileRoots.join(' or ')} (BERTH_FILE_REPOSITORIES)`;
  }
  if (isWithin(realPath, policy.dataDirectory) || isWithin(policy.dataDirectory, realPath))
    return "must not be Berth's own data directory";
  return null;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** Where a source is reached over https: github.com may stand for a GitHub Enterprise (BERTH_GITHUB_URL). Null for folders. */
export function gitUrlOf(source: RepositorySource, githubUrl: string): string | null {
  if (source.type !== 'https') return null;
  const { path } = source;
  return path.startsWith(`${GITHUB}/`) ? `${githubUrl}${path.slice(GITHUB.length)}` : `https://${path}`;
}

/** The branch that is a workspace's alone. Any other that it works on is one that people share. */
export function ownBranchOf(workspaceId: string): string {
  return `berth/${shortId(workspaceId)}`;
}

/** The proxy's git route of a source, and what a push may write there: the workspace's branch, and the own one, where work goes that may not go to people's. Null for folders. */
export function gitRouteOf(
  source: RepositorySource,
  { id, branch, readOnly }: { id: string; branch: string; readOnly: boolean },
  githubUrl: string,
): { path: string; upstreamUrl: string; pushRefs: string[] } | null {
  const upstreamUrl = gitUrlOf(source, githubUrl);
  if (upstreamUrl === null) return null;
  const branches = readOnly ? [] : new Set([branch, ownBranchOf(id)]);
  return { path: source.path, upstreamUrl, pushRefs: [...branches].map((name) => `refs/heads/${name}`) };
}

/** Why a text cannot be a branch, tag or commit (git-check-ref-format(1)); null when it can. It never begins with a dash, so git takes it for no option. */
export function refProblem(ref: string): string | null {
  const wrong = /[\s~^:?*\[\\\p{Cc}]|\.\.|@\{|\/\/|^[-./]|[./]$|\.lock(\/|$)|\/\./u.test(ref) || ref === '@';
  return wrong ? 'is not a valid name of a branch, tag or commit' : null;
}
