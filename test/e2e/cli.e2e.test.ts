import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { EventView, MessageView, WorkspaceView } from '../../src/contracts/index.js';
import { until } from '../emulators/until.js';
import { expectWhole, streamedText } from './support/events.js';
import type { Repository } from './support/repository.js';
import { TestSystem } from './support/system.js';

/** The built `berth` command as a person types it, against the real server. */

const ENTRY = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let system: TestSystem;
let repository: Repository;
let workspace: WorkspaceView;
beforeAll(async () => {
  system = await TestSystem.start();
  repository = await system.repository('cli');
});
afterAll(() => system.close());

interface Running {
  out: string;
  err: string;
  ended: Promise<number>;
  interrupt(): void;
}

function start(words: string[], environment: Record<string, string> = {}, input = ''): Running {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: system.folder,
    BERTH_URL: system.api.url,
    BERTH_API_KEY: system.api.apiKey ?? '',
    ...environment,
  };
  const child = spawn(process.execPath, [ENTRY, ...words], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  const running: Running = {
    out: '',
    err: '',
    // As a shell counts: a program that a signal ended.
    ended: once(child, 'close').then(
      () => child.exitCode ?? 128 + constants.signals[child.signalCode ?? 'SIGKILL'],
    ),
    interrupt: () => void child.kill('SIGINT'),
  };
  child.stdout.on('data', (chunk: Buffer) => (running.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (running.err += chunk.toString()));
  return running;
}

/** Runs it to its end, which must be a good one. Answers standard output. */
async function berth(...words: string[]): Promise<string> {
  const running = start(words);
  const code = await running.ended;
  if (code !== 0) throw new Error(`berth ${words.join(' ')} ended with ${code}: ${running.err}`);
  return running.out;
}

it('creates a workspace, waits for it and prints the answer to the first message', async () => {
  const out = await berth(
    'workspaces',
    'create',
    '--repository',
    repository.url,
    '--name',
    'from the shell',
    '--message',
    'create hello.txt',
    '--wait',
  );
  expect(out).toContain('Created hello.txt.');
  [workspace] = JSON.parse(await berth('workspaces', 'list', '--json')) as [WorkspaceView];
  expect(workspace).toMatchObject({ name: 'from the shell', agent: 'claude', state: 'running' });
  expect(await repository.git('show', `${workspace.branch}:hello.txt`)).toBe('Hello from hello.txt');
});

it('lists and shows it', async () => {
  const listed = await berth('workspaces', 'list');
  expect(listed).toMatch(new RegExp(`^${workspace.id.slice(-8)} +from the shell +running +claude`, 'm'));
  const shown = await berth('workspaces', 'show', workspace.id.slice(-8));
  expect(shown).toContain(workspace.id);
  expect(shown).toContain(workspace.branch);
  expect(JSON.parse(await berth('workspaces', 'show', workspace.id, '--json'))).toMatchObject({
    id: workspace.id,
    owner: { name: 'Ada Lovelace' },
  });
});

it('sends a message and prints the answer while it comes', async () => {
  const sending = start(['workspaces', 'send', workspace.id, '--follow', 'slow', '2']);
  await until('the model waits', () => system.anthropic.waiting === 1, 30);
  system.anthropic.release();
  await until('the first piece is printed', () => sending.out.includes('piece 1 of 2'), 30);
  expect(sending.out).not.toContain('piece 2 of 2');
  await until('the model waits again', () => system.anthropic.waiting === 1, 30);
  system.anthropic.release();
  expect(await sending.ended).toBe(0);
  expect(sending.out.trim()).toBe('piece 1 of 2\npiece 2 of 2');
});

it('prints the events, and goes on with new ones until it is interrupted', async () => {
  const stored = (await berth('workspaces', 'logs', workspace.id, '--json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as EventView);
  expectWhole(stored);
  expect(stored).toEqual(await system.api.events(workspace.id));

  const after = String(stored.length);
  const following = start(['workspaces', 'logs', workspace.id, '-f', '--after', after, '--json']);
  // All but what follows the last line break: a line may be on its way.
  const lines = (): string[] => following.out.split('\n').slice(0, -1);
  const message: MessageView = await system.api.send(workspace.id, 'Good day');
  const text = (): string =>
    streamedText(
      lines().map((line) => JSON.parse(line) as EventView),
      message.id,
    );
  await until('the answer is in the log', () => text() === 'You said: Good day', 30);
  expect(await system.api.untilEnded(workspace.id, message.id)).toMatchObject({ state: 'completed' });
  following.interrupt();
  expect(await following.ended).toBe(130);
});

it('keeps a credential from a pipe, and says which one serves', async () => {
  const setting = start(['credentials', 'set', 'openai_api_key'], {}, 'sk-emulator-of-the-command\n');
  expect(await setting.ended).toBe(0);
  expect(setting.out + setting.err).not.toContain('emulator-of');
  expect(await berth('credentials', 'list')).toMatch(/^openai_api_key +user +active/m);
  expect(await berth('credentials', 'explain', 'codex')).toContain('Codex works with openai_api_key');
});

it('puts it to sleep and wakes it, and waits for both', async () => {
  expect(await berth('workspaces', 'hibernate', workspace.id, '--wait')).toContain('is hibernated.');
  const awake = JSON.parse(
    await berth('workspaces', 'wake', workspace.id, '--wait', '--json'),
  ) as WorkspaceView;
  expect(awake).toMatchObject({ id: workspace.id, state: 'running' });
});

it('ends with 7 and the reason when a turn fails, and with its own code for each refusal', async () => {
  system.anthropic.fail({ status: 400, times: 'always' });
  const failing = start(['workspaces', 'send', workspace.id, '--follow', 'Good day']);
  expect(await failing.ended).toBe(7);
  expect(failing.err).toMatch(/The turn failed: .+/);
  system.anthropic.reset();

  const unknown = start(['workspaces', 'show', '01890000-0000-7000-8000-000000000000']);
  expect(await unknown.ended).toBe(4);
  expect(unknown.err).toMatch(/^berth: .+\n {2}request id: \S+\n$/);
  const stranger = start(['workspaces', 'list'], { BERTH_API_KEY: 'berth_not-a-key' });
  expect(await stranger.ended).toBe(3);
  expect(stranger.err).not.toContain('not-a-key');
});

it('deletes it, and waits until it is gone', async () => {
  expect(await berth('workspaces', 'delete', workspace.id, '--wait')).toContain('is deleted.');
  const gone = start(['workspaces', 'show', workspace.id, '--json']);
  expect(await gone.ended).toBe(4);
  expect(JSON.parse(gone.err)).toMatchObject({ error: { code: 'not-found', status: 404, exitCode: 4 } });
});
