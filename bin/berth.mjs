#!/usr/bin/env node
// The command's entry for npm: checked in with its executable bit, which the build's output does not have.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  console.error('berth: not built yet. Run "npm ci && npm run build" in its folder first.');
  process.exitCode = 1;
}
