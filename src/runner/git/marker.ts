import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a runner remembers of its tree, in its own folder, where the agent cannot change it. */
export interface Marker {
  /** Commit last published (at first: the one the work began from); null when the repository was empty. */
  published: string | null;
}

const NAME = 'prepared.json';

/** The marker of a prepared tree, or null when there is none (or it is not readable: then the tree's own marker decides). */
export function readMarker(scratch: string): Marker | null {
  try {
    const { published } = JSON.parse(readFileSync(join(scratch, NAME), 'utf8')) as { published?: unknown };
    return typeof published === 'string' ? { published } : { published: null };
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
