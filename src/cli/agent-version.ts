import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** A first start reads 400 MB from a disk that may be cold. */
const timeoutMilliseconds = 60_000;

/** Starts an agent's program with `--version` and answers what it says (`2.1.330`); null when it does not start. */
export async function versionOf(program: string, path: string): Promise<string | null> {
  // A home of its own: the program must neither find a person's login there nor leave files.
  const home = await mkdtemp(join(tmpdir(), 'berth-version-'));
  try {
    const { stdout } = await run(program, ['--version'], {
      env: { PATH: path, HOME: home },
      timeout: timeoutMilliseconds,
    });
    return /\d+\.\d+\.\d+\S*/.exec(stdout)?.[0] ?? null;
  } catch {
    return null;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
