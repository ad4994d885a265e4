import { buildProgram } from './program.js';
import { testCli } from './testing/test-cli.js';

// Nothing listens at port 2; a command that is refused for its arguments never gets there.
const unreachable = 'http://127.0.0.1:2';
const cli = () => testCli(unreachable, 'berth_k');

describe('arguments', () => {
  it.each([
    [[], 2],
    [['nonsense'], 2],
    [['workspaces', 'create'], 2],
    [['workspaces', 'create', '--repository', 'a/b', '--agent', 'gemini'], 2],
    [['workspaces', 'create', '--repository', 'a/b', '--idle-timeout-minutes', 'soon'], 2],
    [['workspaces', 'create', '--repository', 'a/b', '--api-key', 'berth_k'], 2],
    [['workspaces', 'logs', 'id', '--after', '-1'], 2],
    [['workspaces', 'send', 'id'], 2],
    [['agents', 'install', 'gemini'], 2],
    [['--help'], 0],
    [['workspaces', 'create', '--help'], 0],
  ])('%j end with exit code %i', async (args, exitCode) => {
    const { run } = cli();
    expect(await run(...args)).toBe(exitCode);
  });

  it('say what is wrong on standard error only', async () => {
    const test = cli();
    await test.run('workspaces', 'create');
    expect(test.err).toContain("required option '--repository <repository>' not specified");
    expect(test.out).toBe('');
  });

  it('that are no workspace id are refused before anything is sent', async () => {
    const test = cli();
    expect(await test.run('workspaces', 'show', 'my-workspace', '--organization', 'acme')).toBe(2);
    expect(test.err).toBe(
      'berth: "my-workspace" is no workspace id. Give the id, or its last eight digits; "berth workspaces list" shows them.\n',
    );
  });

  it('that are an empty message are refused', async () => {
    const test = cli();
    expect(await test.run('workspaces', 'send', '00000001', ' ')).toBe(2);
    expect(test.err).toBe('berth: The message is empty.\n');
  });
});

it.each([
  [['help', 'workspaces'], 'Usage: berth workspaces|ws '],
  [['help', 'workspaces', 'send'], 'Usage: berth workspaces send '],
  [['help', 'integrations', 'github', 'connect'], 'Usage: berth integrations github connect '],
  [['help', 'credentials', 'delete', 'git_token'], 'Usage: berth credentials delete'],
])('%j shows the help of what was named, and does nothing', async (args, begins) => {
  const test = cli();
  expect(await test.run(...args)).toBe(0);
  expect(test.out.startsWith(begins)).toBe(true);
  expect(test.err).toBe('');
});

it('has help for every command, on every level', () => {
  const program = buildProgram({ ...cli().context, json: false });
  const missing: string[] = [];
  const visit = (command: typeof program): void => {
    if (command.description() === '') missing.push(command.name());
    command.commands.forEach((child) => visit(child));
  };
  visit(program);
  expect(missing).toEqual([]);
});

it('has examples to copy for every command', async () => {
  const program = buildProgram({ ...cli().context, json: false });
  const missing: string[] = [];
  const visit = async (command: typeof program, words: string[]): Promise<void> => {
    for (const child of command.commands) await visit(child, [...words, child.name()]);
    if (command.commands.length > 0 || ['help', 'exit-codes', 'complete'].includes(command.name())) return;
    const test = cli();
    await test.run(...words, '--help');
    if (!test.out.includes(`Examples:\n`) || !test.out.includes(`berth ${words.join(' ')}`))
      missing.push(words.join(' '));
  };
  await visit(program, []);
  expect(missing).toEqual([]);
});

it.each([['exit-codes'], ['help', 'exit-codes'], ['exit-codes', '--help']])(
  'tells the exit codes by %s %s',
  async (...args) => {
    const test = cli();
    expect(await test.run(...args)).toBe(0);
    expect(test.out).toMatch(/^Exit codes .*\n\n {2}0 {2}done\n/);
  },
);

it('guesses what was meant', async () => {
  const test = cli();
  expect(await test.run('workspace', 'list')).toBe(2);
  expect(test.err).toContain('Did you mean workspaces?');
  test.err = '';
  expect(await test.run('workspaces', 'list', '--jsn')).toBe(2);
  expect(test.err).toContain('Did you mean --json?');
});

it('tells wrong arguments as JSON to who wants JSON', async () => {
  const test = cli();
  expect(await test.run('workspaces', 'create', '--json')).toBe(2);
  expect(JSON.parse(test.err)).toMatchObject({ error: { code: 'usage', exitCode: 2 } });
});

it('tells an unreachable Berth with exit code 6 and what to do', async () => {
  const test = cli();
  expect(await test.run('workspaces', 'list')).toBe(6);
  expect(test.err).toBe(
    'berth: Cannot reach Berth at http://127.0.0.1:2: nothing listens there (connection refused). ' +
      'Is it running there? Start it with "berth start", or set BERTH_URL or --url. "berth doctor" looks for the cause.\n',
  );
  expect(test.pauses).toEqual([]);
});

it('starts no server that is not built', async () => {
  const test = cli();
  expect(await test.run('start')).toBe(1);
  expect(test.err).toContain('npm run build');
});
