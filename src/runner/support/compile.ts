import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFileSync } from '@swc/core';

const SOURCE = fileURLToPath(new URL('../..', import.meta.url));
const ROOMS = ['runner', 'telemetry', 'kernel', 'contracts'];

/**
 * Compiles the runner as `npm run build` does, into a temporary folder that has no node_modules: a runner that starts from it needs no
 * package at run time. Answers the folder; `runner/main.js` and `runner/inside/forwarder.js` are below it.
 */
export function compileRunner(): string {
  const target = mkdtempSync(join(tmpdir(), 'berth-runner-'));
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  for (const room of ROOMS) {
    for (const name of readdirSync(join(SOURCE, room), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts') || name.includes('support/')) continue;
      const to = join(target, room, name.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, transformFileSync(join(SOURCE, room, name), { swcrc: true, sourceMaps: false }).code);
    }
  }
  return target;
}
