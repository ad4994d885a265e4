import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../test/emulators/openai.js';
import type { Agent } from '../contracts/agents.js';
import type { ClaimedTurn, TurnOutcome } from '../contracts/runner.js';
import { CONTINUE_TEXT } from './agents/driver.js';
import { AttemptJournal } from './journal.js';
import { compileRunner } from './support/compile.js';
import { Machine } from './support/machine.js';
import { makeRepository, temporaryFolder } from './support/repository.js';
import { until } from './support/until.js';
import { startWorkspaceProxy, type WorkspaceProxy } from './support/workspace-proxy.js';

const KEYS = { claude: 'sk-ant-api03-replay-test', codex: 'sk-replay-test' };

function program(name: 'CLAUDE_BIN' | 'CODEX_BIN'): string {
  // eslint-disable-next-line no-restricted-properties -- a test takes the real agents from where they were installed
  const path = process.env[name];
  if (path === undefined) throw new Error(`${name} is not set: run \`npm test\`, which installs the agents.`);
  return path;
}

/** What the real agents send after a login was refused, by what the model saw: a replayed request is there once, and so is what its tools did. */
describe.each<Agent>(['claude', 'codex'])('the real %s after a refused login', (agent) => {
  let compiled: string;
  let model: AnthropicEmulator | OpenaiEmulator;
  let machine: Machine;
  let proxy: WorkspaceProxy;
  let folder: string;

  beforeAll(async () => {
    compiled = await compileRunner();
    model = await (agent === 'claude' ? startAnthropicEmulator() : startOpenaiEmulator());
    model.accept(KEYS[agent]);
  });
  afterAll(async () => {
    await model.close();
    rmSync(compiled, { recursive: true, force: true });
  });
  beforeEach(async () => {
    folder = temporaryFolder();
    const repository = makeRepository(join(folder, 'repository'));
    machine = new Machine({
      compiled,
      agent,
      repository: { type: 'file', url: `file://${repository}`, path: repository },
      agents: { claude: program('CLAUDE_BIN'), codex: program('CODEX_BIN') },
    });
    await machine.control.listen();
    proxy = await startWorkspaceProxy({
      socketPath: machine.socketPath,
      placeholder: machine.placeholder,
      ...{ anthropicUrl: model.url, anthropicKey: KEYS.claude },
      ...{ openaiUrl: model.url, openaiKey: KEYS.codex },
    });
    machine.start();
  });
  afterEach(async () => {
    const { violations } = machine.control;
    await machine.close();
    await proxy.close();
    model.reset();
    rmSync(folder, { recursive: true, force: true });
    expect(violations).toEqual([]);
  });

  const refuse = (): void =>
    model.fail({ status: 401, times: 'always', headers: { 'x-should-retry': 'false' } });
  /** The model takes the login again. */
  const accept = (): void => model.reset();
  const end = async ({ turnId, attemptId }: ClaimedTurn): Promise<TurnOutcome> => {
    const finished = () =>
      machine.control
        .of('turn.finished')
        .find((item) => item.turnId === turnId && item.attemptId === attemptId);
    const { outcome } = await until('turn.finished', finished).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${machine.log}\n${JSON.stringify(machine.control.items)}`);
    });
    return outcome;
  };
  /** The next attempt, as the control plane gives it out. */
  const again = (turn: ClaimedTurn, mode: 'replay' | 'continue', more: Partial<ClaimedTurn> = {}) => {
    const { turnId, text, attempt } = turn;
    return machine.ask(text, { turnId, attempt: attempt + 1, mode, ...more });
  };
  /** What persons had said in the last conversation that the model answered. Claude joins two messages without an answer between them. */
  const conversation = (): string[] =>
    model.requests
      .findLast(({ asked, status }) => asked !== null && status === 200)
      ?.asked?.flatMap((message) => message.split('\n')) ?? [];
  const refused = { result: 'failed', code: 'agent-authentication' };
  const completed = { result: 'completed' };

  it('asks the first message anew in a session of its own', async () => {
    refuse();
    const turn = machine.ask('remember tulip');
    expect(await end(turn)).toMatchObject(refused);
    const [first] = machine.control.of('agent.session');
    expect(machine.control.of('turn.finished')[0]?.point).toBeUndefined();
    accept();
    expect(await end(again(turn, 'replay'))).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip']);
    expect(machine.control.of('agent.answer')).toHaveLength(1);
    expect(machine.control.of('agent.session').at(-1)?.session).not.toBe(first?.session);
    expect(await end(again({ ...turn, text: 'what did I ask you to remember' }, 'replay'))).toEqual(
      completed,
    );
    expect(conversation()).toEqual(['remember tulip', 'what did I ask you to remember']);
  });

  it('cuts a later message off the session, twice in a row, and later turns keep the cut', async () => {
    expect(await end(machine.ask('remember tulip'))).toEqual(completed);
    refuse();
    let turn = machine.ask('create hello.txt');
    expect(await end(turn)).toMatchObject(refused);
    turn = again(turn, 'replay');
    expect(await end(turn)).toMatchObject(refused);
    accept();
    expect(await end(again(turn, 'replay'))).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip', 'create hello.txt']);
    expect(existsSync(join(machine.directories.tree, 'hello.txt'))).toBe(true);
    expect(await end(machine.ask('what did I ask you to remember'))).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip', 'create hello.txt', 'what did I ask you to remember']);
    expect(machine.control.of('agent.answer').at(-1)?.text).toContain('tulip');
    expect(new Set(machine.control.of('agent.session').map(({ session }) => session)).size).toBe(1);
  });

  it('goes on after a tool, and runs it once', async () => {
    const go = join(machine.directories.tree, 'go');
    const turn = machine.ask(
      'run echo once >> count.txt; until grep -qs now go; do sleep 0.1; done; echo went',
    );
    await until('the command began', () => existsSync(join(machine.directories.tree, 'count.txt')));
    refuse();
    writeFileSync(go, 'now\n');
    expect(await end(turn)).toMatchObject(refused);
    accept();
    const next = again(turn, 'continue');
    expect(await end(next)).toEqual(completed);
    expect(conversation()).toEqual([turn.text, CONTINUE_TEXT]);
    expect(readFileSync(join(machine.directories.tree, 'count.txt'), 'utf8')).toBe('once\n');
    // What is good after it is good as a whole.
    refuse();
    const later = machine.ask('say hi');
    expect(await end(later)).toMatchObject(refused);
    accept();
    expect(await end(again(later, 'replay'))).toEqual(completed);
    expect(conversation()).toEqual([turn.text, CONTINUE_TEXT, 'say hi']);
  });

  it('goes on with a replay whose runner was killed, and asks no second time', async () => {
    expect(await end(machine.ask('remember tulip'))).toEqual(completed);
    refuse();
    const turn = machine.ask('slow 2');
    expect(await end(turn)).toMatchObject(refused);
    accept();
    const replay = again(turn, 'replay');
    await until('the model was asked', () => model.waiting === 1);
    await machine.end('SIGKILL');
    machine.start();
    const last = again(replay, 'continue');
    await until('the model was asked again', () =>
      model.requests.some(({ asked }) => asked?.at(-1)?.endsWith(CONTINUE_TEXT)),
    );
    await until('it waits', () => model.waiting > 0);
    model.release(10);
    expect(await end(last)).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip', 'slow 2', CONTINUE_TEXT]);
  });

  it('asks what a killed runner had not given to the agent yet', async () => {
    const first = machine.ask('remember tulip');
    expect(await end(first)).toEqual(completed);
    const turn = { ...first, turnId: randomUUID(), attemptId: randomUUID(), text: 'say hi' };
    // So far the killed one came: it was about to fetch what others had pushed.
    new AttemptJournal(machine.directories.scratch).begin(turn);
    expect(await end(again(turn, 'continue'))).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip', 'say hi']);
  });

  it('goes on rather than asks twice where the place to cut is not known any more', async () => {
    expect(await end(machine.ask('remember tulip'))).toEqual(completed);
    refuse();
    const turn = machine.ask('say hi');
    expect(await end(turn)).toMatchObject(refused);
    accept();
    expect(await end(again(turn, 'replay', { point: randomUUID() }))).toEqual(completed);
    expect(conversation()).toEqual(['remember tulip', 'say hi', CONTINUE_TEXT]);
  });
});
