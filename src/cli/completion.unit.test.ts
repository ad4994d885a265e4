import { complete } from './completion.js';
import { buildProgram } from './program.js';
import { testCli } from './testing/test-cli.js';

const program = buildProgram({ ...testCli('http://127.0.0.1:2', 'berth_k').context, json: false });
const words = (line: string): string[] =>
  complete(program, line.split(' ')).candidates.map(({ value }) => value);

it.each([
  ['wo', ['workspaces']],
  ['workspaces s', ['show', 'send', 'share']],
  ['ws lo', ['logs']],
  ['workspaces create --age', ['--agent']],
  ['workspaces create --agent ', ['claude', 'codex']],
  ['workspaces create --agent c --wa', ['--wait']],
  ['workspaces create --agent=co', ['--agent=codex']],
  ['workspaces create --agent = co', ['codex']],
  ['workspaces send 1f0c22aa --f', ['--follow']],
  ['workspaces send 1f0c22aa -- --f', []],
  ['credentials set an', ['anthropic_wif', 'anthropic_api_key']],
  ['credentials connect c', ['claude_oauth']],
  ['credentials set anthropic_api_key --scope o', ['organization']],
  ['agents install claude co', ['codex']],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['members role ada@example.com ', ['owner', 'admin', 'member']],
  ['keys ', ['show', 'rotate', 'help']],
  ['invitations a', ['accept']],
  ['audit ', ['list', 'verify', 'export', 'help']],
  ['audit list --action limits', ['limits.changed']],
  ['nonsense ', []],
])('after "berth %s" come %j', (line, expected) => expect(words(line)).toEqual(expected));

it('offers every command, and not what only shells use', () => {
  expect(words('')).toEqual(expect.arrayContaining(['doctor', 'help', 'workspaces', 'credentials']));
  expect(words('')).not.toContain('complete');
});

it('describes what it offers', () => {
  expect(complete(program, ['doc']).candidates[0]?.description).toContain('keeps Berth from working');
});

it('asks for files where one is wanted', () => {
  expect(complete(program, ['credentials', 'set', 'openai_api_key', '--from-file', ''])).toEqual({
    candidates: [],
    files: true,
  });
  expect(complete(program, ['setup', '--from-file', '']).files).toBe(true);
  expect(complete(program, ['audit', 'verify', '']).files).toBe(true);
  expect(complete(program, ['workspaces', 'create', '--name', '']).files).toBe(false);
});
