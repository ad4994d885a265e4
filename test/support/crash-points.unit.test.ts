import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { crashPoints } from '../../src/kernel/index.js';
import { crashCases } from './crash-cases.js';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

/** Every call in the sources, by its literal name. A call with anything but a literal is found too, and fits no name. */
function callsInSources(): string[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('crash-point.ts'))
    .flatMap((file) => [
      ...readFileSync(path.join(SOURCES, file), 'utf8').matchAll(/\bcrashPoint\(\s*([^)]*?),?\s*\)/g),
    ])
    .map(([, argument = '']) => argument.replace(/^'(.*)'$/, '$1'));
}

describe('crash points', () => {
  const names = [...crashPoints].sort();

  it('are called in the code exactly by the names on the list', () => {
    expect([...new Set(callsInSources())].sort()).toEqual(names);
  });

  it('have one case each', () => {
    expect(Object.keys(crashCases).sort()).toEqual(names);
  });

  it('are not named twice', () => {
    expect(new Set(names).size).toBe(names.length);
  });
});
