import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../test/emulators/openai.js';
import type { Agent } from '../contracts/agents.js';
import { compileRunner } from './support/compile.js';
import { AUTHOR, Machine, type MachineOptions } from './support/machine.js';
import { git, makeRepository, temporaryFolder } from './support/repository.js';
import { until } from './support/until.js';
import { startWorkspaceProxy, type WorkspaceProxy } from './support/workspace-proxy.js';

const ANTHROPIC_KEY = 'sk-ant-api03-runner-test';
const OPENAI_KEY = 'sk-runner-test';
/** Looks like a real one. */
const PLANTED = `sk-ant-api03-${'Zq8rT1vLw6Yb3Nc0'.repeat(3)}`;

function program(name: 'CLAUDE_BIN' | 'CODEX_BIN'): string {
  // eslint-disable-next-line no-restricted-properties -- a test takes the real agents from where they were installed
  const path = process.env[name];
  if (path === undefined) throw new Error(`${name} is not set: run \`npm test\`, which installs the agents.`);
  return path;
}

describe('a runner with a fake control plane and the real agents', () => {
  let compiled: string;
  let anthropic: AnthropicEmulator;
  let openai: OpenaiEmulator;
  let machine: Machine;
  let proxy: WorkspaceProxy;
  let repository: string;
  let folder: string;

  beforeAll(async () => {
    compiled = await compileRunner();
    anthropic = await startAnthropicEmulator();
    anthropic.accept(ANTHROPIC_KEY);
    openai = await startOpenaiEmulator();
    openai.accept(OPENAI_KEY);
  });

  afterAll(async () => {
    await anthropic.close();
    await openai.close();
    rmSync(compiled, { recursive: true, force: true });
  });

  beforeEach(() => {
    folder = temporaryFolder();
    repository = makeRepository(join(folder, 'repository'));
  });

  afterEach(async () => {
    const { violations } = machine.control;
    await machine.close();
    await proxy.close();
    anthropic.reset();
    openai.reset();
    rmSync(folder, { recursive: true, force: true });
    expect(violations).toEqual([]);
  });

  async function startProxy(): Promise<void> {
    proxy = await startWorkspaceProxy({
      socketPath: machine.socketPath,
      placeholder: machine.placeholder,
      anthropicUrl: anthropic.url,
      anthropicKey: ANTHROPIC_KEY,
      openaiUrl: openai.url,
      openaiKey: OPENAI_KEY,
    });
  }

  async function begin(
    agent: Agent,
    more: Partial<MachineOptions> = {},
    first: () => void = () => undefined,
  ): Promise<void> {
    machine = new Machine({
      compiled,
      agent,
      repository: { type: 'file', url: `file://${repository}`, path: repository },
      agents: { claude: program('CLAUDE_BIN'), codex: program('CODEX_BIN') },
      ...more,
    });
    await machine.control.listen();
    await startProxy();
    first();
    machine.start();
  }

  const prepared = () =>
    until('workspace.prepared', () => machine.control.of('workspace.prepared')[0]).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${machine.log}\n${JSON.stringify(machine.control.items)}`);
    });
  const finished = (turnId: string) =>
    until('turn.finished', () =>
      machine.control.of('turn.finished').find((item) => item.turnId === turnId),
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${machine.log}\n${JSON.stringify(machine.control.items)}`);
    });

  describe.each<Agent>(['claude', 'codex'])('%s', (agent) => {
    const emulator = () => (agent === 'claude' ? anthropic : openai);

    it('works on a turn, commits it as its author and publishes the branch', async () => {
      await begin(agent);
      await prepared();
      const turn = machine.ask('create hello.txt with good morning\nand say so');

      expect((await finished(turn.turnId)).outcome).toEqual({ result: 'completed' });

      const { items } = machine.control;
      const about = items.filter((item) => 'turnId' in item);
      expect(about.every((item) => item.turnId === turn.turnId && item.attemptId === turn.attemptId)).toBe(
        true,
      );
      expect(about.map((item) => item.type)).toEqual([
        'agent.session',
        'agent.tool',
        'agent.tool',
        ...about.filter((item) => item.type === 'agent.text').map(() => 'agent.text'),
        'agent.answer',
        'git.pushed',
        'turn.finished',
      ]);
      expect(machine.control.of('agent.tool').map((item) => item.state)).toEqual(['started', 'completed']);
      expect(machine.control.of('agent.answer')[0]?.text).toBe('Created hello.txt.');
      const text = machine.control.of('agent.text').map((item) => item.text);
      expect(text.join('')).toContain('Created hello.txt.');
      const [pushed] = machine.control.of('git.pushed');
      expect(pushed?.branch).toBe('berth/0badcafe');
      expect(git(repository, 'rev-parse', 'berth/0badcafe')).toBe(pushed?.commit);
      expect(git(repository, 'show', 'berth/0badcafe:hello.txt')).toBe('good morning');
      expect(git(repository, 'log', '-1', '--format=%an <%ae>|%cn <%ce>|%s', 'berth/0badcafe')).toBe(
        `${AUTHOR.name} <${AUTHOR.email}>|Berth <berth@localhost>|create hello.txt with good morning`,
      );
      expect(git(repository, 'branch', '--show-current')).toBe('main');
      expect(existsSync(join(repository, 'hello.txt'))).toBe(false);
    });

    it('resumes the session in the next turn and publishes nothing when nothing changed', async () => {
      await begin(agent);
      await finished(machine.ask('remember tulip').turnId);
      await finished(machine.ask('what did I ask you to remember').turnId);

      expect(machine.control.of('agent.answer')[1]?.text).toContain('tulip');
      expect(machine.control.of('git.pushed')).toEqual([]);
      expect(new Set(machine.control.of('agent.session').map((item) => item.session)).size).toBe(1);
    });

    it('starts afresh when the session to resume is unknown', async () => {
      await begin(agent);
      const turn = machine.ask('say hi', { session: randomUUID(), mode: 'continue' });

      expect((await finished(turn.turnId)).outcome).toEqual({ result: 'completed' });
      expect(machine.control.of('agent.answer')[0]?.text).toBe('You said: say hi');
      expect(machine.control.of('agent.session').at(-1)?.session).not.toBe(turn.session);
    });

    it('shows the agent no secret of the host, and nothing of it but its own places', async () => {
      await begin(agent);
      const look = 'env; cat /proc/1/environ | tr "\\0" "\\n"; ls -a / /home; id -u; ls ..';
      await finished(machine.ask(`run ${look}`).turnId);

      const seen = JSON.stringify(machine.control.items);
      expect(seen).not.toContain('host-secret-value');
      expect(seen).not.toContain(machine.control.token);
      expect(seen).not.toContain(ANTHROPIC_KEY);
      expect(seen).not.toContain(OPENAI_KEY);
      expect(machine.control.of('agent.answer')[0]?.text).toContain('workspace');
      expect(machine.control.of('agent.answer')[0]?.text).toMatch(/^1000$/m);
    });

    it('interrupts a turn that is canceled, and goes on with the next', async () => {
      await begin(agent);
      const turn = machine.ask('slow 5');
      emulator().release(1);
      await until('first piece', () => machine.control.of('agent.text')[0]);
      machine.control.cancel.add(turn.turnId);

      expect((await finished(turn.turnId)).outcome).toEqual({ result: 'canceled' });
      machine.control.cancel.clear();
      expect((await finished(machine.ask('say hi').turnId)).outcome).toEqual({ result: 'completed' });
    });

    it('reports a refused credential as such, without the words of the provider', async () => {
      await begin(agent);
      emulator().fail({ status: 401, times: 'always', headers: { 'x-should-retry': 'false' } });
      const turn = machine.ask('say hi');

      expect((await finished(turn.turnId)).outcome).toMatchObject({
        result: 'failed',
        code: 'agent-authentication',
      });
      expect(JSON.stringify(machine.control.items)).not.toMatch(/\b401\b|Invalid authentication|sk-/);
    });

    it('does not finish the turn on SIGTERM, and its successor continues without doing the work twice', async () => {
      await begin(agent);
      await prepared();
      const turn = machine.ask('run echo once >> count.txt; tail -f README.md');
      await until('the command began', () => machine.control.of('agent.tool')[0]);
      const count = join(machine.directories.tree, 'count.txt');
      // That the file is there would be too early: the shell opens it before `echo` writes, and the signal may fall between.
      await until('the command worked', () => existsSync(count) && readFileSync(count, 'utf8') === 'once\n');

      expect(await machine.end('SIGTERM')).toBe(0);
      expect(machine.control.of('turn.finished')).toEqual([]);

      machine.start();
      const again = machine.ask(turn.text, { turnId: turn.turnId, attempt: 2, mode: 'continue' });
      const outcome = await finished(again.turnId);
      expect(outcome.attemptId).toBe(again.attemptId);
      expect(outcome.outcome).toEqual({ result: 'completed' });
      expect(machine.control.runnerIds).toHaveLength(2);
      expect(readFileSync(count, 'utf8').trim().split('\n')).toEqual(['once']);
    });

    it('ends a turn that takes too long', async () => {
      await begin(agent, { turnTimeoutSeconds: 3 });
      const turn = machine.ask('slow 5');

      expect((await finished(turn.turnId)).outcome).toMatchObject({
        result: 'failed',
        code: 'agent-timeout',
      });
    });
  });

  it('keeps the agent working while the control plane is away, and delivers everything afterwards', async () => {
    await begin('claude');
    const turn = machine.ask('slow 3');
    anthropic.release(1);
    await until('first piece', () => machine.control.of('agent.text')[0]);
    expect(processesWith(machine.control.of('agent.session')[0]?.session ?? 'none').length).toBeGreaterThan(
      0,
    );

    await machine.control.close();
    anthropic.release(2);
    const session = machine.control.of('agent.session')[0]?.session ?? '';
    await until('the agent ended while nobody listened', () => processesWith(session).length === 0);
    await machine.control.listen();

    expect((await finished(turn.turnId)).outcome).toEqual({ result: 'completed' });
    expect(machine.control.of('agent.answer')[0]?.text).toBe('piece 1 of 3\npiece 2 of 3\npiece 3 of 3\n');
    expect(machine.control.runnerIds).toHaveLength(1);
  });

  it('works again through a proxy that was restarted', async () => {
    await begin('claude');
    await finished(machine.ask('say one').turnId);
    await proxy.close();
    await startProxy();

    expect((await finished(machine.ask('say two').turnId)).outcome).toEqual({ result: 'completed' });
  });

  it('stops when told to, with the turn unfinished and every process gone', async () => {
    await begin('claude');
    machine.ask('run tail -s 4242 -f README.md');
    await until('the command began', () => machine.control.of('agent.tool')[0]);
    await until('the command runs', () => processesWith('tail -s 4242 -f README.md').length > 0);
    machine.control.stop = true;

    expect(await machine.ended()).toBe(0);
    expect(machine.control.of('turn.finished')).toEqual([]);
    await until('all processes are gone', () => processesWith('tail -s 4242 -f README.md').length === 0);
  });

  it('leaves no process behind when it is killed', async () => {
    await begin('codex');
    machine.ask('run tail -s 4243 -f README.md');
    await until('the command runs', () => processesWith('tail -s 4243 -f README.md').length > 0);

    await machine.end('SIGKILL');
    await until('all processes are gone', () => processesWith('tail -s 4243 -f README.md').length === 0);
  });

  it('ends at once when its token is refused', async () => {
    await begin('claude');
    machine.ask('run tail -s 4244 -f README.md');
    await until('the command runs', () => processesWith('tail -s 4244 -f README.md').length > 0);
    machine.control.token = 'another';

    expect(await machine.ended()).toBe(0);
    expect(machine.log).toContain('"dismissed"');
    await until('all processes are gone', () => processesWith('tail -s 4244 -f README.md').length === 0);
  });

  it('ends by itself when no control plane answers any more', async () => {
    await begin('claude', { orphanSeconds: 2 });
    await prepared();
    machine.control.broken = 503;

    expect(await machine.ended()).toBe(75);
    expect(machine.log).toContain('"orphaned"');
  });

  it('says why a workspace cannot be prepared, and ends', async () => {
    await begin('claude', { ref: 'no-such-branch' });

    expect(await machine.ended()).toBe(0);
    expect(machine.control.of('workspace.failed')[0]).toMatchObject({ code: 'ref-not-found' });
  });

  const refused = async (): Promise<string> => {
    expect(await machine.ended()).toBe(0);
    const said = machine.control.of('workspace.failed').at(-1);
    expect(said?.code).toBe('planted-credential');
    expect(JSON.stringify(machine.control.items) + machine.log).not.toContain(PLANTED.slice(20));
    return said?.message ?? '';
  };

  it.each<[string, Partial<MachineOptions>]>([
    ['PATH', { path: `/usr/bin:/opt/${PLANTED}/bin` }],
    ['BERTH_PLACEHOLDER', { placeholder: PLANTED }],
  ])('does not start with a real credential in %s', async (name, options) => {
    await begin('claude', options);

    expect(await refused()).toContain(`the variable ${name} of its environment`);
    expect(existsSync(join(machine.directories.tree, '.git'))).toBe(false);
  });

  it('does not start with one in a file that the agent is given; of its own files it is asked about logins alone', async () => {
    const plant = (path: string): void => {
      const file = join(machine.directories.home, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `key = ${PLANTED}\n`, { mode: 0o644 });
    };
    await begin('claude', {}, () => plant('.config/tool/settings'));
    expect(await refused()).toContain('the file ~/.config/tool/settings');

    rmSync(join(machine.directories.home, '.config'), { recursive: true });
    machine.start();
    await prepared();
    await machine.end('SIGTERM');
    plant('notes.txt');
    machine.start();
    await until('prepared again', () => machine.control.of('workspace.prepared')[1]);
    await machine.end('SIGTERM');
    plant('.codex/auth.json');
    machine.start();
    expect(await refused()).toContain('the file ~/.codex/auth.json');
  });

  it('fails the turn, not the runner, when the agent is not installed', async () => {
    await begin('codex', { agents: { claude: null, codex: null } });

    expect((await finished(machine.ask('say hi').turnId)).outcome).toMatchObject({ code: 'agent-missing' });
  });

  it('works without a sandbox', async () => {
    await begin('codex', { sandbox: 'off' });
    const turn = machine.ask('create hello.txt with hi');

    expect((await finished(turn.turnId)).outcome).toEqual({ result: 'completed' });
    expect(git(repository, 'show', 'berth/0badcafe:hello.txt')).toBe('hi');
  });

  it('stays under 60 MB of resident memory while it waits', async () => {
    await begin('claude');
    await prepared();
    await finished(machine.ask('create hello.txt').turnId);

    expect(machine.residentMegabytes()).toBeLessThan(60);
  });
});

/** Processes of the machine whose command line holds the text. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
    } catch {
      return false;
    }
  });
}
