import type { CaughtUp } from './catch-up.js';

const MOST_FILES = 10;

/** Names of files are the text of whoever pushed them: quoted, and not too many. */
function named(files: readonly string[]): string {
  const shown = files.slice(0, MOST_FILES).map((name) => JSON.stringify(name));
  const more = files.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** What the agent is told, before what was asked, of a branch that others moved; null: there is nothing to say. */
export function noteFor(branch: string, caught: CaughtUp): string | null {
  switch (caught.state) {
    case 'same':
      return null;
    case 'taken': {
      if (caught.commits === null)
        return `Since your last turn others rewrote ${branch}. The working tree is built on what is there now.`;
      const commits = caught.commits === 1 ? 'a commit' : `${caught.commits} commits`;
      return `Since your last turn others pushed ${commits} to ${branch}. The working tree has them now.`;
    }
    case 'conflict':
      return [
        `Since your last turn others pushed to ${branch}, and that could not be merged with the work here`,
        caught.files.length > 0 ? ` (both changed ${named(caught.files)}).` : '.',
        ` Nothing was merged. Their work is origin/${branch}: merge it, resolve the conflicts and commit, or your work cannot be pushed.`,
      ].join('');
    case 'gone':
      return `The branch ${branch} is not in the repository any more: it was deleted, or its pull request was merged. What you commit stays here and is not pushed.`;
  }
}

export function conflictSentence(branch: string, files: readonly string[]): string {
  const where = files.length > 0 ? `: both changed ${named(files)}` : '';
  return `Others pushed to ${branch}, and their work could not be merged with the agent’s${where}. Nothing was pushed, and the work is kept. Ask the agent to merge origin/${branch}.`;
}

export function goneSentence(branch: string): string {
  return `The branch ${branch} is not in the repository any more: it was deleted, or its pull request was merged. Nothing was pushed. The work is kept in the workspace.`;
}
