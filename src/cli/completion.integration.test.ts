import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { completionScripts } from './completion-scripts.js';

const run = promisify(execFile);

/** bash itself, with the printed script and this very command on PATH. */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-completion-'));
  const loader = resolve('node_modules/tsx/dist/loader.mjs');
  const command = `#!/bin/sh\nexec ${process.execPath} --import ${loader} ${resolve('src/cli/main.ts')} "$@"\n`;
  await writeFile(join(folder, 'berth'), command, { mode: 0o755 });
  await writeFile(join(folder, 'script.bash'), completionScripts.bash);
  await writeFile(join(folder, 'key with space.txt'), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What bash would offer after these words. */
async function offered(...words: string[]): Promise<string[]> {
  const driver = `source script.bash
COMP_WORDS=(berth "$@"); COMP_CWORD=$#
_berth 2>/dev/null
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('/bin/bash', ['--norc', '-c', driver, 'bash', ...words], {
    cwd: folder,
    env: { PATH: `${folder}:/usr/bin:/bin`, HOME: folder },
  });
  return stdout.split('\n').filter((line) => line !== '');
}

it.each([
  [['workspaces', 'hib'], ['hibernate']],
  [
    ['workspaces', 'create', '--agent', ''],
    ['claude', 'codex'],
  ],
  [['credentials', 'set', 'openai_api_key', '--from-file', 'key'], ['key with space.txt']],
  [['nonsense', ''], []],
])('after %j bash offers %j', async (words, expected) => expect(await offered(...words)).toEqual(expected));

it('has a script that bash reads without a word, and that registers itself', async () => {
  const { stdout, stderr } = await run(
    '/bin/bash',
    ['--norc', '-c', 'source script.bash && complete -p berth'],
    {
      cwd: folder,
    },
  );
  expect(stdout).toBe('complete -F _berth berth\n');
  expect(stderr).toBe('');
});
