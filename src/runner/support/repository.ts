import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Grace',
  GIT_AUTHOR_EMAIL: 'grace@example.com',
  GIT_COMMITTER_NAME: 'Grace',
  GIT_COMMITTER_EMAIL: 'grace@example.com',
};

/** Runs the host's git in `folder` and answers what it wrote, trimmed. */
export function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, ...args], {
    env: ENVIRONMENT,
    encoding: 'utf8',
    stdio: 'pipe',
  }).trim();
}

/** A new folder for one test. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'berth-runner-test-'));
}

/** Makes a repository with a work tree on `main`, with one commit that holds `files`. */
export function makeRepository(
  folder: string,
  files: Record<string, string> = { 'README.md': '# Hello\n' },
): string {
  mkdirSync(folder, { recursive: true });
  git(folder, 'init', '--quiet', '--initial-branch=main');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  git(folder, 'add', '--all');
  git(folder, 'commit', '--quiet', '-m', 'first');
  return folder;
}

/** Makes a bare copy of a repository, as a server has it. */
export function makeBare(from: string, to: string): string {
  git(dirname(to), 'clone', '--quiet', '--bare', from, to);
  return to;
}
