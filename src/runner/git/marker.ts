import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a runner remembers of its tree, in its own folder, where the agent cannot change it. */
export interface Marker {
  /** Commit last published (at first: the one the work began from); null when the repository was empty. */
  published: string | null;
  /** The workspace's own branch, once work goes there since it may not go to the one that people share. */
  branch?: string;
}

const NAME = 'prepared.json';

/** The marker of a prepared tree, or null when there is none (or it is not readable: then the tree's own marker decides). */
export function readMarker(scratch: string): Marker | null {
  try {
    const { published, branch } = JSON.parse(readFileSync(join(scratch, NAME), 'utf8')) as Partial<
      Record<keyof Marker, unknown>
    >;
    return {
      published: typeof published === 'string' ? published : null,
      ...(typeof branch === 'string' ? { branch } : {}),
    };
  } catch {
    return null;
  }
}

/** Writes the marker whole or not at all. */
export function writeMarker(scratch: string, marker: Marker): void {
  const path = join(scratch, NAME);
  writeFileSync(`${path}.new`, JSON.stringify(marker), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
