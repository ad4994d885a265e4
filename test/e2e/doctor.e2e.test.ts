import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { CheckResult } from '../../src/contracts/index.js';
import { BerthProcess } from '../support/berth.js';

/** `berth doctor` as a person runs it: the built command, on a bare machine and on broken ones. */

const ENTRY = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Nobody listens there: no test asks a provider. */
const NOWHERE = 'http://127.0.0.1:2';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'berth-doctor-e2e-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Examined {
  code: number | null;
  out: string;
  err: string;
}

/** Runs it; `before` stands before the command, as a tool that changes the machine for it does. */
async function doctor(
  words: string[],
  environment: Record<string, string>,
  before: string[] = [],
): Promise<Examined> {
  const [program = '', ...rest] = [...before, process.execPath, ENTRY, 'doctor', ...words];
  const child = spawn(program, rest, {
    env: {
      PATH: '/usr/bin:/bin',
      PORT: '0',
      BERTH_DATA_DIR: path.join(folder, 'data'),
      BERTH_ANTHROPIC_API_URL: NOWHERE,
      BERTH_OPENAI_API_URL: NOWHERE,
      BERTH_CLAUDE_TOKEN_URL: NOWHERE,
      BERTH_OPENAI_AUTH_URL: NOWHERE,
      BERTH_CHATGPT_API_URL: NOWHERE,
      BERTH_GITHUB_URL: NOWHERE,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = [text(child.stdout), text(child.stderr)];
  await once(child, 'close');
  return { code: child.exitCode, out: await out, err: await err };
}

function findings({ out }: Examined): Record<string, CheckResult> {
  const { checks } = JSON.parse(out) as { checks: CheckResult[] };
  return Object.fromEntries(checks.map((check) => [check.id, check]));
}

it('tells a bare machine what to install, and ends with 8', async () => {
  const seen = await doctor([], {});
  expect(seen.out).toMatch(/^ok {7}Node\.js +\d+\./);
  expect(seen.out).toMatch(/^warn {5}Claude Code .*\n {26}-> Run "berth agents install claude"/m);
  expect(seen.out).toMatch(/^ok {7}Database +embedded, made at the first start/m);
  expect(seen.out).toMatch(/\n\n8 are worth a look, \d+ are fine\.\n$/);
  expect(seen).toMatchObject({ code: 8, err: '' });
  expect(await readdir(folder)).toEqual([]);
});

it('tells a machine without bubblewrap which package is missing, and ends with 1', async () => {
  const seen = await doctor([], { PATH: folder });
  expect(seen.code).toBe(1);
  expect(seen.out).toMatch(
    /^fail {5}Sandbox +bubblewrap \(bwrap\) is not on PATH\.\n +-> .*apt-get install bubblewrap/m,
  );
  expect(seen.out).toMatch(/^fail {5}Git +git is not on PATH\.\n +-> .*apt-get install git/m);
  expect(seen.out).toContain('2 must be mended');
});

it('finds a data directory on a disk that is mounted read-only', async () => {
  const data = path.join(folder, 'data');
  await mkdir(data, { mode: 0o700 });
  const seen = await doctor(['--json'], {}, [
    '/usr/bin/bwrap',
    '--dev-bind',
    '/',
    '/',
    '--ro-bind',
    data,
    data,
  ]);
  expect(seen.code).toBe(1);
  expect(seen.err).toBe('');
  const found = findings(seen);
  expect(found['data-directory']).toMatchObject({
    status: 'fail',
    message: expect.stringContaining('read-only') as string,
  });
  expect(found.database?.status).toBe('skipped');
});

describe('of a Berth that was set up', () => {
  let berth: BerthProcess;
  let environment: Record<string, string>;
  beforeAll(async () => {
    berth = await BerthProcess.start();
    await berth.setUp();
    environment = { BERTH_DATA_DIR: berth.dataDirectory, PORT: new URL(berth.url).port };
  });
  afterAll(() => berth.remove());

  it('sees that it runs', async () => {
    const found = findings(await doctor(['--json'], environment));
    expect(found.port).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('is ready') as string,
    });
    expect(found.database).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('running') as string,
    });
    expect(found['key-ring']).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('belong') as string,
    });
  });

  it('sees that it stands still, and starts its database to look into it', async () => {
    await berth.stop();
    const found = findings(await doctor(['--json'], environment));
    expect(found.port).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('is free') as string,
    });
    expect(found.database).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('it starts') as string,
    });
    expect(found.migrations?.message).toBe('the schema is up to date');
  });

  it('sees that its keys are foreign, and changes nothing: with the right ones it starts', async () => {
    const file = path.join(berth.dataDirectory, 'encryption-keys');
    const keys = await readFile(file, 'utf8');
    await writeFile(file, `${keys.split(':')[0] ?? ''}:${Buffer.alloc(32, 7).toString('base64')}\n`);
    const wrong = await doctor(['--json'], environment);
    await writeFile(file, keys);
    expect(wrong.code).toBe(1);
    expect(findings(wrong)['key-ring']).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('is not the key this database was sealed with') as string,
    });
    await berth.start();
  });
});
