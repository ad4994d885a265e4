import { stat } from 'node:fs/promises';
import path from 'node:path';

/** The folder itself, or the nearest one above it that is there: where it would be made. */
export async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null || at === path.dirname(at)) return at;
  }
}
