import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram } from '../../runtime/index.js';
import { fail, ok, type Finding } from './report.js';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

/** git is there and starts. */
export async function git(path: string): Promise<Finding> {
  const mend = 'Install git (Debian/Ubuntu: apt-get install git; Fedora: dnf install git).';
  const program = await findProgram('git', path);
  if (program === null) return fail('git is not on PATH.', mend);
  try {
    const { stdout } = await run(program, ['--version'], { env: { PATH: path }, timeout: TIMEOUT_MS });
    return ok(`${stdout.trim()} (${program})`);
  } catch {
    return fail(`${program} does not start.`, mend);
  }
}
