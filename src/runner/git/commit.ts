import { identityEnvironment, type Person } from '../environment.js';
import type { Git } from './git.js';
import { removeStaleLocks } from './prepare.js';

const SUBJECT_CHARACTERS = 72;
const COMMIT_TIMEOUT_SECONDS = 600;

/** The commit's subject: the first line with something on it of what was asked, cut to 72 characters. */
export function subjectOf(text: string): string {
  const line = text
    .split(/[\r\n]+/)
    .map((each) => each.replace(/\p{Cc}/gu, ' ').trim())
    .find((each) => each !== '');
  if (line === undefined) return 'Work of the agent';
  // By code points, so that no character is cut in half.
  const characters = Array.from(line);
  return characters.length <= SUBJECT_CHARACTERS
    ? line
    : `${characters
        .slice(0, SUBJECT_CHARACTERS - 1)
        .join('')
        .trimEnd()}…`;
}

/** Commits whatever is not committed yet. Nothing to commit is fine. Throws GitFailure. */
export async function commitWork(
  git: Git,
  text: string,
  author: Person,
  signal?: AbortSignal,
): Promise<void> {
  const limits = { signal, timeoutSeconds: COMMIT_TIMEOUT_SECONDS };
  await removeStaleLocks(git, signal);
  await git.run(['add', '--all', '--', '.'], limits);
  const staged = await git.try(['diff', '--cached', '--quiet', '--no-ext-diff'], limits);
  if (staged.code === 0) return;
  await git.run(['commit', '--quiet', '--no-verify', '--no-gpg-sign', '-m', subjectOf(text)], {
    ...limits,
    env: identityEnvironment(author),
  });
}

/** The commit that is checked out, on whatever branch or none; null before the first. */
export async function headOf(git: Git, signal?: AbortSignal): Promise<string | null> {
  const result = await git.try(['rev-parse', '--quiet', '--verify', 'HEAD^{commit}'], { signal });
  return result.code === 0 ? result.stdout.trim() : null;
}
