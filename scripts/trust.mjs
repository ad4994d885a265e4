/**
 * `npm run trust [-- f20 f21 …]`: plays the figures of test/trust at full size, all of them or those whose file names hold one of the words, and writes docs/trust.md of the results.
 * Results are kept in .trust/results, so that a run of one figure leaves the others on the page as they were.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { jest, prepare, root, run } from './prepare.mjs';

const words = process.argv.slice(2);
const results = path.join(root, '.trust', 'results');
const agents = await prepare();
// A whole run begins anew: what a figure was called once must not stay on the page.
if (words.length === 0) rmSync(results, { recursive: true, force: true });
const patterns = words.length === 0 ? ['test/trust/'] : words.map((word) => `test/trust/.*${word}`);
const code = jest(['--selectProjects', 'trust', '--runInBand', '--', ...patterns], {
  ...agents,
  BERTH_TRUST_RESULTS: results,
});
run(process.execPath, ['--import', 'tsx', 'scripts/write-trust.ts', results, 'docs/trust.md']);
process.exit(code);
