import type { RunnerAssignment } from '../../contracts/runner.js';
import type { Person } from '../environment.js';
import type { Bind } from '../sandbox/sandbox.js';
import { catchUp, type CaughtUp } from './catch-up.js';
import { headOf } from './commit.js';
import { failureOf, GitFailure } from './failure.js';
import type { Git } from './git.js';
import { readMarker, writeMarker } from './marker.js';
import { publish } from './publish.js';
import { conflictSentence, goneSentence, noteFor } from './words.js';

export interface WorkBranchOptions {
  git: Git;
  assignment: Pick<RunnerAssignment, 'repository' | 'ref' | 'branch' | 'fallbackBranch' | 'readOnly'>;
  /** The runner's own folder, as the host sees it. */
  scratch: string;
  /** Shows a `file` repository read-only, and the same writable. */
  binds: readonly Bind[];
  writableBinds: () => readonly Bind[];
  inside(path: string, target: string): string;
}

/** What was published: which branch, and its new head. */
export interface Published {
  branch: string;
  commit: string;
}

/** Others may push between our look and our push, but hardly so often. */
const TRIES = 3;

/**
 * The branch that a workspace's work goes to. Its own one is nobody else's. One that people share, a pull request's, is never moved but forward: what others pushed is taken in first, and what
 * cannot be joined with it stays in the workspace, and is said. Where it may not be pushed to, the work goes to the own branch, from then on.
 */
export class WorkBranch {
  constructor(private readonly options: WorkBranchOptions) {}

  /** Before a turn: takes in what others pushed, and says what the agent has to know of it; null: nothing. Throws GitFailure. */
  async catchUp(author: Person, signal: AbortSignal): Promise<string | null> {
    const ref = this.#watched();
    if (ref === null) return null;
    const caught = await this.#look(ref, author, signal);
    return noteFor(ref.replace(/^refs\/(heads\/)?/, ''), caught);
  }

  /** After a turn: publishes what is committed; null when there is nothing new. Throws GitFailure. */
  async publish(author: Person, signal: AbortSignal): Promise<Published | null> {
    const { assignment, git, scratch } = this.options;
    // Not even tried: the proxy would refuse it.
    if (assignment.readOnly) return null;
    const head = await headOf(git, signal);
    if (head === null || head === readMarker(scratch)?.published) return null;
    const { branch } = this.#target();
    const ref = this.#watched();
    if (ref === null) return this.#toOwn(branch, head, signal);
    return this.#toShared(ref, branch, author, signal);
  }

  /** Where work goes now. */
  #target(): { branch: string; shared: boolean } {
    const { branch, fallbackBranch } = this.options.assignment;
    const moved = readMarker(this.options.scratch)?.branch;
    if (fallbackBranch !== null && moved === fallbackBranch) return { branch: fallbackBranch, shared: false };
    return { branch, shared: fallbackBranch !== null };
  }

  /** What others push that the tree follows; null: nothing. Of a fork's pull request it is the ref that it has in the base repository. */
  #watched(): string | null {
    const { readOnly, ref } = this.options.assignment;
    if (readOnly) return ref?.startsWith('refs/') === true ? ref : null;
    const { branch, shared } = this.#target();
    return shared ? `refs/heads/${branch}` : null;
  }

  async #look(ref: string, author: Person, signal: AbortSignal): Promise<CaughtUp> {
    const { git, assignment, binds, scratch } = this.options;
    const marker = readMarker(scratch);
    const seen = marker?.published ?? null;
    const { repository } = assignment;
    const caught = await catchUp({ git, repository, ref, binds, seen, author, signal });
    if (caught.state === 'same' || caught.state === 'taken')
      writeMarker(scratch, { ...marker, published: caught.head });
    return caught;
  }

  async #toShared(ref: string, branch: string, author: Person, signal: AbortSignal): Promise<Published> {
    for (let tries = 1; ; tries++) {
      const caught = await this.#look(ref, author, signal);
      if (caught.state === 'gone') throw new GitFailure('branch-gone', goneSentence(branch));
      if (caught.state === 'conflict')
        throw new GitFailure('merge-conflict', conflictSentence(branch, caught.files));
      const head = await this.#head(signal);
      try {
        // It may be there already: an agent can push as well.
        if (head !== caught.head) await this.#push(branch, caught.head, signal);
        writeMarker(this.options.scratch, { published: head });
        return { branch, commit: head };
      } catch (error) {
        if (!(error instanceof GitFailure)) throw error;
        if (error.code === 'branch-moved' && tries < TRIES) continue;
        const { fallbackBranch } = this.options.assignment;
        const isClosed = error.code === 'push-rejected' || error.code === 'push-not-allowed';
        if (fallbackBranch === null || !isClosed) throw error;
        return this.#toOwn(fallbackBranch, head, signal);
      }
    }
  }

  async #toOwn(branch: string, head: string, signal: AbortSignal): Promise<Published> {
    await this.#push(branch, null, signal);
    writeMarker(this.options.scratch, { published: head, branch });
    return { branch, commit: head };
  }

  async #head(signal: AbortSignal): Promise<string> {
    const head = await headOf(this.options.git, signal);
    if (head === null) throw failureOf('ref-not-found');
    return head;
  }

  #push(branch: string, onto: string | null, signal: AbortSignal): Promise<void> {
    const { assignment, writableBinds, ...place } = this.options;
    return publish({
      ...{ ...place, branch, onto, signal },
      writableBinds: writableBinds(),
      repository: assignment.repository,
    });
  }
}
