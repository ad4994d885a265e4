import { readdir, stat } from 'node:fs/promises';
import { isId } from '../../kernel/index.js';
import { isAbsent } from './failures.js';

/** Longer than the steps in which any file system tells time. */
const SETTLED_MS = 1_000;
/** A listing is made anew after so long in any case: a file system may tell no times, or wrong ones. */
const TRUST_MS = 10 * 60_000;

/** The workspaces that have a folder below one, for who asks again and again: it is read when something came or went, which the folder's own time of change tells. A hundred thousand that sleep cost one `stat`. */
export class FolderListing {
  #ids: ReadonlySet<string> = new Set();
  #readAt = -Infinity;
  /** The folder's state when it was read, and since when that is known. */
  #state = '';
  #stateSince = 0;

  constructor(
    private readonly folder: string,
    private readonly now = () => performance.now(),
  ) {}

  /** The same set as last time while nothing came or went. */
  async ids(): Promise<ReadonlySet<string>> {
    const now = this.now();
    const state = await this.#stateNow();
    if (state !== this.#state) [this.#state, this.#stateSince] = [state, now];
    // What changes right after a reading may have the same time of change: the first reading counts that was made when the state had been the same for a while.
    const isSettled = this.#readAt - this.#stateSince >= SETTLED_MS;
    if (isSettled && now - this.#readAt < TRUST_MS) return this.#ids;
    const ids = await this.#read();
    this.#readAt = now;
    if (!isSame(ids, this.#ids)) this.#ids = ids;
    return this.#ids;
  }

  async #stateNow(): Promise<string> {
    try {
      const { ino, mtimeNs } = await stat(this.folder, { bigint: true });
      return `${ino} ${mtimeNs}`;
    } catch (error) {
      if (isAbsent(error)) return 'absent';
      throw error;
    }
  }

  async #read(): Promise<Set<string>> {
    try {
      return new Set((await readdir(this.folder)).filter(isId));
    } catch (error) {
      if (isAbsent(error)) return new Set();
      throw error;
    }
  }
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one.size !== other.size) return false;
  for (const id of one) if (!other.has(id)) return false;
  return true;
}
