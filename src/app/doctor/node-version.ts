import { fail, ok, type Finding } from './report.js';

/** The oldest Node of package.json's `engines`. */
const OLDEST = [20, 19] as const;

/** Node is new enough. */
export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNewEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  return isNewEnough
    ? ok(version)
    : fail(
        `This is Node ${version}, and Berth needs ${OLDEST.join('.')} or newer.`,
        'Install a newer Node (https://nodejs.org), then run "npm ci" again.',
      );
}
