import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, bundleAlone } from '../../../scripts/bundle.js';

/**
 * Builds the runner as `npm run build` does, into a temporary folder that has no node_modules: a runner that starts from it needs no
 * package at run time. Answers the folder; `runner/main.js` and `runner/inside/forwarder.js` are below it.
 */
export async function compileRunner(): Promise<string> {
  const target = mkdtempSync(join(tmpdir(), 'berth-runner-'));
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  await Promise.all([bundle(target, ['runner/main']), bundleAlone(target, 'runner/inside/forwarder')]);
  return target;
}
