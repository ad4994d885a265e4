import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGitEmulator, type GitEmulator } from './git.js';

const run = promisify(execFile);

let emulator: GitEmulator;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-git-emulator-'));
  const root = await mkdtemp(join(folder, 'root-'));
  emulator = await startGitEmulator({ root });
  await emulator.createRepository('team/app', { 'README.md': '# Grüße\n', 'src/a.ts': 'export {};\n' });
});
afterEach(async () => {
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

/** git as a client that never asks a person and reads no settings of this machine. */
async function git(...args: string[]): Promise<string> {
  const person = {
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@x.invalid',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@x.invalid',
  };
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    ...person,
  };
  const { stdout } = await run('git', args, { env, cwd: folder });
  return stdout.trim();
}

const url = (path: string, credential = '') => `${emulator.url.replace('//', `//${credential}`)}/${path}`;

describe('clone and push', () => {
  it('serves a clone and takes a push', async () => {
    const tree = join(folder, 'tree');
    await git('clone', '--quiet', url('team/app.git'), tree);
    expect(await readFile(join(tree, 'README.md'), 'utf8')).toBe('# Grüße\n');
    await writeFile(join(tree, 'new.txt'), 'x'.repeat(2_000_000));
    await git('-C', tree, 'add', '.');
    await git('-C', tree, 'commit', '--quiet', '-m', 'More');
    // A small post buffer makes git send the pack in chunks, without a content-length.
    await git(
      '-C',
      tree,
      '-c',
      'http.postBuffer=65536',
      'push',
      '--quiet',
      'origin',
      'HEAD:refs/heads/berth/1',
    );
    const pushed = await git('ls-remote', url('team/app.git'), 'refs/heads/berth/1');
    expect(pushed.split('\t')[0]).toBe(await git('-C', tree, 'rev-parse', 'HEAD'));
    expect(emulator.requests.map(({ method, path, status }) => [method, path, status])).toContainEqual([
      'POST',
      '/team/app.git/git-receive-pack',
      200,
    ]);
  });

  it('serves without .git in the address, as GitHub does', async () => {
    expect(await git('ls-remote', '--heads', url('team/app'))).toContain('refs/heads/main');
  });

  it('does not serve what is not there, the dumb protocol, or files beside the repositories', async () => {
    await expect(git('ls-remote', url('team/none.git'))).rejects.toThrow(/not found/);
    expect((await fetch(url('team/app.git/info/refs'))).status).toBe(403);
    expect((await fetch(url('team/app.git/HEAD'))).status).toBe(404);
    expect((await fetch(url('..%2f../app.git/info/refs?service=git-upload-pack'))).status).toBe(404);
  });
});

describe('protected repositories', () => {
  it('ask for Basic authentication with an accepted token', async () => {
    emulator.protect('team/*');
    emulator.accept('ghp_good');
    const asked = await fetch(url('team/app.git/info/refs?service=git-upload-pack'));
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="GitHub"']);
    await expect(git('ls-remote', url('team/app.git'))).rejects.toThrow(/could not read Username/);
    await expect(git('ls-remote', url('team/app.git', 'x-access-token:ghp_bad@'))).rejects.toThrow(
      /Authentication failed/,
    );
    expect(await git('ls-remote', url('team/app.git', 'x-access-token:ghp_good@'))).toContain(
      'refs/heads/main',
    );
    expect(emulator.requests.at(-1)?.credential).toEqual({ kind: 'basic', value: 'x-access-token:ghp_good' });
  });

  it('leave the others open', async () => {
    await emulator.createRepository('open/app');
    emulator.protect('team/app');
    expect(await git('ls-remote', url('open/app.git'))).toContain('refs/heads/main');
  });
});

describe('failures on demand', () => {
  it('answers a status, then serves', async () => {
    emulator.fail({ status: 503 });
    await expect(git('ls-remote', url('team/app.git'))).rejects.toThrow(/503/);
    expect(await git('ls-remote', url('team/app.git'))).toContain('refs/heads/main');
  });

  it('cuts an answer', async () => {
    emulator.fail({
      mode: 'cut-mid-stream',
      match: { path: '/team/app.git/git-upload-pack' },
      times: 'always',
    });
    await expect(git('clone', '--quiet', url('team/app.git'), join(folder, 'tree'))).rejects.toThrow();
  });
});
