import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startTestApp } from '../../../test/support/app.js';
import { CANARY, Examination, statuses } from '../../../test/support/examination.js';

/** The doctor on real conditions: servers, folders and programs that are there, wrong, or missing. */

let on: Examination;
beforeAll(async () => {
  on = await Examination.start();
});
afterAll(() => on.close());
beforeEach(() => on.freshFolder());

it('finds a machine well, and leaves no trace', async () => {
  const found = await on.examine();
  expect(statuses(found)).toMatchObject({
    node: 'ok',
    configuration: 'ok',
    'data-directory': 'ok',
    sandbox: 'ok',
    git: 'ok',
    database: 'ok',
    migrations: 'ok',
    'key-ring': 'ok',
    queue: 'ok',
    port: 'ok',
    anthropic: 'ok',
    openai: 'ok',
    'claude-login': 'ok',
    'chatgpt-login': 'ok',
    chatgpt: 'ok',
    'git-host': 'ok',
    clock: 'ok',
  });
  expect(found.migrations?.message).toBe('the schema is up to date');
  expect(await readdir(on.folder)).toEqual([]);
});

it('tries embedded Postgres out where there is none yet, and leaves no trace', async () => {
  const found = await on.examine({ DATABASE_URL: '', BERTH_ENCRYPTION_KEYS: '' });
  expect(found.database).toMatchObject({
    status: 'ok',
    message: expect.stringContaining('tried out') as string,
  });
  expect(found['key-ring']?.status).toBe('ok');
  expect(await readdir(on.folder)).toEqual([]);
});

describe('the sandbox', () => {
  it('that is not installed names the package', async () => {
    await mkdir(path.join(on.folder, 'bin'));
    await symlink('/usr/bin/git', path.join(on.folder, 'bin/git'));
    const found = await on.examine({ PATH: path.join(on.folder, 'bin') });
    expect(found.sandbox).toMatchObject({
      status: 'fail',
      mend: expect.stringContaining('apt-get install bubblewrap') as string,
    });
    expect(found.git?.status).toBe('ok');
    const preferred = await on.examine({ PATH: path.join(on.folder, 'bin'), BERTH_SANDBOX: 'preferred' });
    expect(preferred.sandbox?.status).toBe('warn');
  });

  it('that the kernel forbids says what it said', async () => {
    await mkdir(path.join(on.folder, 'bin'));
    const bwrap = path.join(on.folder, 'bin/bwrap');
    await writeFile(bwrap, '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n');
    await chmod(bwrap, 0o755);
    const found = await on.examine({ PATH: `${path.join(on.folder, 'bin')}:/usr/bin:/bin` });
    expect(found.sandbox).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('No permissions to create new namespace') as string,
      mend: expect.stringMatching(/sysctl|container/) as string,
    });
  });
});

it('asks nothing of an api that only a worker needs', async () => {
  const found = await on.examine({ BERTH_ROLE: 'api', PATH: on.folder });
  expect(statuses(found)).toMatchObject({
    configuration: 'ok',
    sandbox: 'skipped',
    git: 'skipped',
    claude: 'skipped',
  });
});

it('misses git and agents on an empty PATH', async () => {
  const found = await on.examine({ PATH: on.folder });
  expect(found.git).toMatchObject({
    status: 'fail',
    mend: expect.stringContaining('apt-get install git') as string,
  });
  expect(found.claude).toMatchObject({
    status: 'warn',
    mend: expect.stringContaining('berth agents install claude') as string,
  });
});

it('finds an agent that does not start', async () => {
  await writeFile(path.join(on.folder, 'claude'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const found = await on.examine({
    CLAUDE_BIN: path.join(on.folder, 'claude'),
    CODEX_BIN: path.join(on.folder, 'none'),
  });
  expect(found.claude).toMatchObject({
    status: 'fail',
    message: expect.stringContaining('does not start') as string,
  });
  expect(found.codex).toMatchObject({
    status: 'fail',
    message: expect.stringContaining('CODEX_BIN') as string,
  });
});

describe('the configuration', () => {
  it('that is wrong is named, and what needs it is not looked at', async () => {
    const found = await on.examine({ PORT: CANARY, DATABASE_URL: `mysql://u:${CANARY}@h/d` });
    expect(found.configuration).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/PORT: .+\n.*DATABASE_URL: /) as string,
    });
    expect(statuses(found)).toMatchObject({
      sandbox: 'ok',
      git: 'ok',
      database: 'skipped',
      'key-ring': 'skipped',
      port: 'skipped',
    });
  });

  it('with a typing error is worth a look', async () => {
    const found = await on.examine({ BERTH_ENCRIPTION_KEYS: CANARY });
    expect(found.configuration).toMatchObject({
      status: 'warn',
      message: expect.stringContaining('BERTH_ENCRIPTION_KEYS') as string,
    });
  });
});

describe('the address', () => {
  it('that something else has is said', async () => {
    const found = await on.examine({ PORT: new URL(on.upstreamUrl).port });
    expect(found.port).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('something else listens') as string,
    });
  });

  it('where a Berth runs tells whether it is ready', async () => {
    const app = await startTestApp();
    try {
      const { port } = new URL(app.url);
      expect((await on.examine({ PORT: port })).port).toMatchObject({
        status: 'ok',
        message: expect.stringContaining('is ready') as string,
      });
      app.parts.readiness.isOpen = false;
      expect((await on.examine({ PORT: port })).port).toMatchObject({
        status: 'warn',
        message: expect.stringContaining('is not ready') as string,
      });
    } finally {
      await app.close();
    }
  });

  it('that is not this machine’s names the variable', async () => {
    const found = await on.examine({ BERTH_HOST: '192.0.2.1' });
    expect(found.port).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('BERTH_HOST') as string,
    });
  });
});

describe('upstreams', () => {
  it('that are not reached are worth a look, with what to check', async () => {
    const found = await on.examine({ BERTH_OPENAI_API_URL: 'http://127.0.0.1:2' });
    expect(found.anthropic?.status).toBe('ok');
    expect(found.openai).toMatchObject({
      status: 'warn',
      message: expect.stringContaining('connection refused') as string,
      mend: expect.stringContaining('BERTH_OPENAI_API_URL') as string,
    });
  });

  it('show by their clock that ours is wrong', async () => {
    on.upstreamIsAhead = 600;
    const found = await on.examine();
    expect(found.clock).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/60\d s behind|599 s behind/) as string,
    });
  });
});

it('finds a data directory that is a file, or open to others', async () => {
  await writeFile(path.join(on.folder, 'data'), '');
  expect((await on.examine())['data-directory']).toMatchObject({
    status: 'fail',
    message: expect.stringContaining('is a file') as string,
  });
  await rm(path.join(on.folder, 'data'));
  await mkdir(path.join(on.folder, 'data'));
  await chmod(path.join(on.folder, 'data'), 0o755);
  expect((await on.examine())['data-directory']).toMatchObject({
    status: 'warn',
    mend: expect.stringContaining('chmod 700') as string,
  });
});
