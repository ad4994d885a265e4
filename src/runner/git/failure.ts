import { WorkspaceFailure } from '../workspace-failure.js';

/**
 * What can go wrong between a workspace and its repository. Stable codes; they travel in `workspace.failed` and `git.failed`.
 */
export type GitFailureCode =
  | 'repository-not-found'
  | 'repository-authentication'
  | 'ref-not-found'
  | 'disk-full'
  | 'network'
  | 'push-not-allowed'
  | 'push-rejected'
  | 'branch-checked-out'
  | 'branch-moved'
  | 'branch-gone'
  | 'merge-conflict'
  | 'git-failed';

/** A git step that failed. */
export class GitFailure extends WorkspaceFailure {
  override readonly name = 'GitFailure';

  constructor(
    override readonly code: GitFailureCode,
    message: string,
  ) {
    super(code, message);
  }
}

/** Those that are said the same way each time. */
type Sentenced = Exclude<GitFailureCode, 'git-failed' | 'branch-gone' | 'merge-conflict'>;

const SENTENCES: Record<Sentenced, string> = {
  'repository-not-found':
    'The repository was not found. Check its name. If it is private, set a git token of its host that may read it (git_token; of owner/name the host is github.com).',
  'repository-authentication':
    'The repository asks for a login. Set a git token of its host that may read it (git_token; of owner/name the host is github.com); if there is one, the host refused it.',
  'ref-not-found': 'The repository has no such branch, tag or commit. Check the ref.',
  'disk-full': 'The disk of the workspace is full. Free some space, then try again.',
  network: 'The repository could not be reached. Check that its server is up, then try again.',
  'push-not-allowed':
    'Berth may not push to this repository. Set a git token that may write to it (git_token), then send another message.',
  'push-rejected':
    'The repository refused the branch (protected, or it has commits that the workspace does not have).',
  'branch-moved':
    'Others pushed to the branch at the same time, again and again. The work is kept, and goes out after the next message.',
  'branch-checked-out': 'The branch is checked out in the repository itself. Check out another branch there.',
};

/** Git's own words (LC_ALL=C) for each code, in the order of asking. The server's words, on lines with `remote:`, are not searched. */
const SIGNS: [RegExp, Sentenced][] = [
  [/No space left on device|Disk quota exceeded/i, 'disk-full'],
  [
    /refusing to (update checked out branch|fetch into (current )?branch)|branch is currently checked out/i,
    'branch-checked-out',
  ],
  [
    /could not read (Username|Password)|Authentication failed|returned error: 40[137]\b/i,
    'repository-authentication',
  ],
  [
    /repository '.*' not found|returned error: 404|does not appear to be a git repository/i,
    'repository-not-found',
  ],
  [/repository '.*' does not exist|not a git repository/i, 'repository-not-found'],
  [/couldn't find remote ref|unknown revision|not our ref|bad object/i, 'ref-not-found'],
  // Others were first: git says so of what it saw before it pushed, the server of what came between.
  [/\[rejected\].*\((fetch first|non-fast-forward|stale info)\)/i, 'branch-moved'],
  [/\[remote rejected\].*(cannot lock ref|failed to update ref|incorrect old value)/i, 'branch-moved'],
  [/\[(remote )?rejected\]|hook declined|protected branch|fsck error/i, 'push-rejected'],
  [/Permission denied|Read-only file system|insufficient permission/i, 'push-not-allowed'],
  [
    /Could not resolve host|Failed to connect|Couldn't connect|Connection (refused|reset|timed out)/i,
    'network',
  ],
  [
    /Empty reply|early EOF|hung up|returned error: 5\d\d|transfer closed|unexpected disconnect|RPC failed/i,
    'network',
  ],
];

const LAST_LINES = 4;
const MAX_MESSAGE = 600;

/**
 * The failure that git's standard error tells of. `pushing` reads a refused login as a missing right to push. `clean` takes secrets and
 * inner addresses out of what people see.
 */
export function classifyGitFailure(
  stderr: string,
  pushing: boolean,
  clean: (text: string) => string,
): GitFailure {
  const own = stderr.split('\n').filter((line) => !line.startsWith('remote:'));
  const code = SIGNS.find(([sign]) => own.some((line) => sign.test(line)))?.[1] ?? 'git-failed';
  if (code === 'git-failed') return new GitFailure(code, `Git failed: ${lastLines(clean(stderr))}`);
  if (pushing && code === 'repository-authentication') return failureOf('push-not-allowed');
  if (!pushing && code === 'push-not-allowed') return failureOf('repository-authentication');
  return failureOf(code);
}

/** A failure whose sentence needs nothing of git's output. */
export function failureOf(code: Sentenced): GitFailure {
  return new GitFailure(code, SENTENCES[code]);
}

function lastLines(text: string): string {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-LAST_LINES).join(' ').slice(-MAX_MESSAGE) || 'it gave no reason.';
}

/** Takes user names and passwords out of URLs, and the workspace's placeholder and inner proxy address out of the text. */
export function cleaner(placeholder: string, proxyUrl: string): (text: string) => string {
  return (text) =>
    text
      .replaceAll(placeholder, '…')
      .replaceAll(`${proxyUrl}/git/`, 'https://')
      .replace(/(\w+:\/\/)[^\s/@]+@/g, '$1');
}
