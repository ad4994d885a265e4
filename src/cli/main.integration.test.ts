import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { BerthServer, newId } from './testing/berth-server.js';
import { until } from './testing/test-cli.js';

const main = resolve('src/cli/main.ts');
const loader = resolve('node_modules/tsx/dist/loader.mjs');
const key = 'berth_0123456789abcdefSECRET';

let folder: string;
let server: BerthServer;
let url: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-main-'));
  server = new BerthServer(key);
  url = await server.listen();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The command as a process, by its own entry point. */
function berth(args: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', loader, main, ...args], {
    env: { PATH: '/usr/bin:/bin', HOME: folder, BERTH_URL: url, ...environment },
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  const exit = new Promise<number | null>((done) => child.once('exit', done));
  const out = text(child.stdout);
  // A test that closes the stream does not read it; others see the failure when they await it.
  out.catch(() => undefined);
  return { child, exit, out, err: text(child.stderr) };
}

it('asks Berth with the key of the environment and prints a plain table', async () => {
  server.workspaces.push({ id: newId(1), name: 'site', state: 'running' });
  const run = berth(['workspaces', 'list'], { BERTH_API_KEY: key });
  expect(await run.exit).toBe(0);
  expect(await run.out).toMatch(/^ID +NAME +STATE .*\n00000001 +site +running /);
  expect(await run.err).toBe('');
});

it('reads a message from standard input', async () => {
  server.workspaces.push({ id: newId(1), state: 'running' });
  const run = berth(['workspaces', 'send', newId(1), '-'], { BERTH_API_KEY: key });
  run.child.stdin.end('from a pipe');
  expect(await run.exit).toBe(0);
  expect(server.messages[0]?.text).toBe('from a pipe');
});

it('ends quietly when its reader has seen enough', async () => {
  for (let n = 0; n < 3; n++) server.emit('agent.text', { text: 'x' });
  const run = berth(['workspaces', 'logs', newId(1), '-f', '--organization', 'acme'], { BERTH_API_KEY: key });
  let opened = false;
  server.onStream = () => (opened = true);
  await until(() => opened, 'the stream is open');
  run.child.stdout.destroy();
  const writing = setInterval(() => server.emit('agent.text', { text: 'more' }), 20);
  expect(await run.exit).toBe(0);
  clearInterval(writing);
  expect(await run.err).toBe('');
});

it.each([
  [['workspaces', 'list'], {}, 3],
  [['workspaces', 'list'], { BERTH_API_KEY: 'berth_wrong' }, 3],
  [['workspaces', 'list'], { BERTH_API_KEY: key, BERTH_URL: 'http://127.0.0.1:2' }, 6],
  [['nonsense'], {}, 2],
] as [string[], Record<string, string>, number][])(
  '%j with %j ends with exit code %i',
  async (args, environment, code) => {
    const run = berth(args, environment);
    expect(await run.exit).toBe(code);
    expect(await run.err).not.toBe('');
    expect(await run.out).toBe('');
  },
);

describe('start', () => {
  /** Runs `berth start` over a server of the test's own: the built layout, with the command run from source. */
  async function start(program: string) {
    const entry = join(folder, 'main.js');
    await writeFile(entry, program);
    const runner = join(folder, 'runner.mjs');
    await writeFile(
      runner,
      `import { runCli } from ${JSON.stringify(resolve('src/cli/program.ts'))};
       const say = (stream) => (text) => stream.write(text);
       const progress = { wait() {}, glance() {}, note() {}, clear() {} };
       const configFile = { path: '' };
       process.exitCode = await runCli(['start'], { progress, configFile, out: say(process.stdout), err: say(process.stderr), serverEntry: ${JSON.stringify(entry)}, inputIsTerminal: false });`,
    );
    const child = spawn(process.execPath, ['--import', loader, runner], {
      env: { PATH: '/usr/bin:/bin', SETTING: 'passed on', NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let out = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    return { child, exit: new Promise<number | null>((done) => child.once('exit', done)), out: () => out };
  }

  it('gives the server its environment and takes over its exit code', async () => {
    const run = await start('console.log(process.env.SETTING); process.exitCode = 7;');
    expect(await run.exit).toBe(7);
    expect(run.out()).toBe('passed on\n');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'passes on %s and waits for the clean end',
    async (signal) => {
      const seen = join(folder, 'seen');
      const run = await start(
        `const { writeFileSync } = require('node:fs');
       const alive = setInterval(() => {}, 1000);
       process.on('${signal}', () => { writeFileSync(${JSON.stringify(seen)}, '${signal}'); clearInterval(alive); });
       console.log('ready');`,
      );
      await until(() => run.out() === 'ready\n', 'the server is up');
      run.child.kill(signal);
      expect(await run.exit).toBe(0);
      expect(await readFile(seen, 'utf8')).toBe(signal);
    },
  );

  it('tells of a server that was killed as shells do', async () => {
    const run = await start(`process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);`);
    expect(await run.exit).toBe(137);
  });
});
