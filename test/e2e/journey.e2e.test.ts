import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { EventView, MessageView, WorkspaceView } from '../../src/contracts/index.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import { until } from '../emulators/until.js';
import { answerTo, expectWhole, hasEnded, numbersUpTo, statesOf, streamedText } from './support/events.js';
import { familyOf, lives, processesNaming, runnerOf } from './support/processes.js';
import type { Repository } from './support/repository.js';
import { credentials, TestSystem } from './support/system.js';

/** From an empty data directory to a real agent's pushed commit, to sleep and back: what README's first five minutes promise. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start();
});
afterAll(() => system.close());

const agents = [
  {
    agent: 'claude',
    model: 'anthropic',
    kind: 'anthropic_api_key',
    header: 'x-api-key',
    key: credentials.anthropicApiKey,
  },
  {
    agent: 'codex',
    model: 'openai',
    kind: 'openai_api_key',
    header: 'bearer',
    key: credentials.openaiApiKey,
  },
] as const;

describe.each(agents)('the real $agent', ({ agent, model, kind, header, key }) => {
  let emulator: ModelEmulator;
  let repository: Repository;
  let workspace: WorkspaceView;
  let message: MessageView;
  let seen: EventView[];

  beforeAll(async () => {
    emulator = system[model];
    repository = await system.repository(agent);
  });

  const credentialId = async (): Promise<string> => {
    const { body } = await system.api.get<{ items: { id: string; kind: string }[] }>(
      system.api.path('/credentials'),
    );
    return body.items.find((item) => item.kind === kind)?.id ?? '';
  };

  it('does what the first message asks while its events stream live', async () => {
    workspace = await system.api.createWorkspace({
      repository: repository.url,
      agent,
      message: 'create hello.txt',
    });
    expect(workspace).toMatchObject({
      agent,
      state: 'provisioning',
      desiredState: 'running',
      branch: `berth/${workspace.id.slice(-8)}`,
    });
    seen = await system.api.stream(workspace.id, null, (events) =>
      events.some(({ data }) => data.state === 'completed' && data.attempts === 1),
    );
    expectWhole(seen);
    expect(statesOf(seen)).toEqual(['provisioning', 'running']);
    [message] = (await system.api.messages(workspace.id)) as [MessageView];
    expect(statesOf(seen, message.id)).toEqual(['queued', 'running', 'completed']);
    expect(streamedText(seen, message.id)).toBe('Created hello.txt.');
    const tools = seen.filter(({ type }) => type === 'agent.tool').map(({ data }) => data.state);
    expect(tools).toEqual(['started', 'completed']);
    expect(await readFile(path.join(system.treeOf(workspace.id), 'hello.txt'), 'utf8')).toBe(
      'Hello from hello.txt\n',
    );
  });

  it('stores the answer, and a receipt that names the credential of the user', async () => {
    expect(message).toMatchObject({
      seq: 1,
      author: { type: 'user', name: 'Ada Lovelace' },
      text: 'create hello.txt',
      state: 'completed',
      attempts: 1,
    });
    expect(await answerTo(system.api, workspace.id, message.id)).toBe('Created hello.txt.');
    expect(message.receipts).toHaveLength(1);
    expect(message.receipts[0]).toMatchObject({
      credentialId: await credentialId(),
      scope: 'user',
      kind,
      generation: 1,
    });
    expect(message.receipts[0]?.reason).not.toBe('');
    expect(await system.api.workspace(workspace.id)).toMatchObject({
      credential: { id: await credentialId(), scope: 'user', kind },
    });
  });

  it('reaches the provider with exactly that key, and never with the placeholder', async () => {
    const calls = emulator.requests.filter(({ method }) => method === 'POST');
    expect(calls.length).toBeGreaterThanOrEqual(2);
    expect(calls.map(({ credential, status }) => [credential.kind, credential.value, status])).toEqual(
      Array(calls.length).fill([header, key, 200]),
    );
    const runnerFile = await readFile(path.join(system.filesOf(workspace.id), 'runner.json'), 'utf8');
    const { placeholder } = JSON.parse(runnerFile) as { placeholder: string };
    expect(placeholder.length).toBeGreaterThan(20);
    expect(JSON.stringify(emulator.requests)).not.toContain(placeholder);
  });

  it('pushes a commit of the asking member to its branch', async () => {
    const { branch } = workspace;
    const pushed = seen.find(({ type }) => type === 'git.pushed');
    expect(pushed?.data).toMatchObject({ branch, commit: await repository.git('rev-parse', branch) });
    expect(await repository.git('log', '-1', '--format=%an <%ae>|%cn|%s', branch)).toBe(
      'Ada Lovelace <ada@example.com>|Berth|create hello.txt',
    );
    expect(await repository.git('show', `${branch}:hello.txt`)).toBe('Hello from hello.txt');
    expect(await repository.git('rev-parse', `${branch}~1`)).toBe(await repository.git('rev-parse', 'main'));
  });

  it('goes on after Last-Event-ID without gap or repeat, and replays all after 0', async () => {
    const middle = Math.floor(seen.length / 2);
    const rest = await system.api.stream(
      workspace.id,
      String(middle),
      (events) => events.length >= seen.length - middle,
    );
    expect(rest).toEqual(seen.slice(middle));
    expect(await system.api.stream(workspace.id, '0', (events) => events.length >= seen.length)).toEqual(
      seen,
    );
    expect(await system.api.events(workspace.id)).toEqual(seen);
  });

  it('sends a reader who is there the events of the next turn, each as it happens', async () => {
    const before = seen.length;
    let reached = 0;
    const reading = system.api.stream(workspace.id, String(before), (events) => {
      reached = events.length;
      return events.some(({ data }) => data.state === 'completed' && data.attempts === 1);
    });
    const slow = await system.api.send(workspace.id, 'slow 2');
    await until('the first piece waits', () => emulator.waiting === 1, 30);
    emulator.release();
    const pieces = () => reached >= 3;
    await until('queued, running and a piece are there while the turn runs', pieces, 30);
    await until('the second piece waits', () => emulator.waiting === 1, 30);
    emulator.release();
    const events = await reading;
    expect(events.map(({ seq }) => seq)).toEqual(numbersUpTo(before + events.length).slice(before));
    expect(streamedText(events, slow.id)).toBe('piece 1 of 2\npiece 2 of 2\n');
  });

  it('hibernates: no process is left, and every file', async () => {
    const asked = await system.api.send(workspace.id, 'remember pineapple');
    expect((await system.api.untilEnded(workspace.id, asked.id)).state).toBe('completed');
    const runner = runnerOf(system.filesOf(workspace.id));
    expect(runner).not.toBeNull();
    const family = familyOf(runner ?? 0);
    await system.api.post(system.api.path(`/workspaces/${workspace.id}/hibernate`), {}, 202);
    await system.api.untilState(workspace.id, 'hibernated');
    expect(processesNaming(workspace.id)).toEqual([]);
    expect(family.filter(lives)).toEqual([]);
    expect(await readFile(path.join(system.treeOf(workspace.id), 'hello.txt'), 'utf8')).toBe(
      'Hello from hello.txt\n',
    );
    // Reading wakes nothing.
    await system.api.events(workspace.id);
    await system.api.messages(workspace.id);
    expect(await system.api.workspace(workspace.id)).toMatchObject({
      state: 'hibernated',
      desiredState: 'hibernated',
    });
  });

  it('wakes for a message, in the same session', async () => {
    const asked = await system.api.send(workspace.id, 'what did I ask you to remember?');
    expect((await system.api.untilEnded(workspace.id, asked.id)).state).toBe('completed');
    expect(await answerTo(system.api, workspace.id, asked.id)).toBe('You asked me to remember pineapple.');
    const events = await system.api.events(workspace.id);
    expectWhole(events);
    expect(statesOf(events)).toEqual([
      'provisioning',
      'running',
      'hibernating',
      'hibernated',
      'waking',
      'running',
    ]);
    expect(hasEnded(events, asked.id)).toBe(true);
  });

  it('is deleted with its files; what it pushed stays', async () => {
    await system.deleteWorkspace(workspace.id);
    expect(processesNaming(workspace.id)).toEqual([]);
    await expect(readFile(path.join(system.treeOf(workspace.id), 'hello.txt'), 'utf8')).rejects.toThrow(
      'ENOENT',
    );
    expect(await repository.git('show', `${workspace.branch}:hello.txt`)).toBe('Hello from hello.txt');
  });
});

describe('a token of `claude setup-token`', () => {
  const credentialsUsed = (): string[] => {
    const calls = system.anthropic.requests.filter(({ method }) => method === 'POST');
    return [...new Set(calls.map(({ credential: { kind, value } }) => `${kind} ${value}`))];
  };

  it('serves before the API key, as a bearer; once it is removed, a waking workspace takes the key', async () => {
    await system.api.setCredential('user', 'claude_setup_token', { token: credentials.claudeSetupToken });
    const { id } = await system.runningWorkspace('claude', 'setup-token');
    system.anthropic.reset();
    const first = await system.api.send(id, 'create hello.txt');
    const ended = await system.api.untilEnded(id, first.id);
    expect(ended).toMatchObject({
      state: 'completed',
      receipts: [{ scope: 'user', kind: 'claude_setup_token', generation: 1 }],
    });
    expect(credentialsUsed()).toEqual([`bearer ${credentials.claudeSetupToken}`]);

    await system.api.call('DELETE', system.api.path('/credentials/user/claude_setup_token'), undefined, 204);
    // Waking resolves again: nothing remembered from before the sleep is used.
    await system.api.post(system.api.path(`/workspaces/${id}/hibernate`), {}, 202);
    await system.api.untilState(id, 'hibernated');
    system.anthropic.reset();
    const second = await system.api.send(id, 'Good day');
    expect(await system.api.untilEnded(id, second.id)).toMatchObject({
      state: 'completed',
      receipts: [{ kind: 'anthropic_api_key' }],
    });
    expect(credentialsUsed()).toEqual([`x-api-key ${credentials.anthropicApiKey}`]);
  });
});
