import { BerthError } from '../../kernel/index.js';
import { messages, methodOf, readPasted, refusalOf, statusOf } from './attempt.js';
import { noticeFor } from './terms.js';

const CODE = 'aB3-_code~1';
const STATE = 'st4te-_xyz';

describe('what is pasted', () => {
  it.each([
    ['as it is shown', `${CODE}#${STATE}`],
    ['with spaces and line breaks of a terminal', `  ${CODE.slice(0, 4)}\n ${CODE.slice(4)}#${STATE}\r\n`],
    ['in quotes', `"${CODE}#${STATE}"`],
    ['in backquotes', `\`${CODE}#${STATE}\``],
    ['with what a chat adds unseen', `\ufeff${CODE}\u200b#${STATE}`],
    [
      'the address of the page',
      `https://platform.claude.com/oauth/code/callback?code=${CODE}&state=${STATE}`,
    ],
    [
      'the address, broken',
      `https://platform.claude.com/oauth/code/callback\n?code=${CODE}\n&state=${STATE}`,
    ],
    ['the address with a #', `https://platform.claude.com/oauth/code/callback?code=${CODE}#${STATE}`],
    ['an address of loopback', `http://localhost:54545/callback?state=${STATE}&code=${CODE}`],
    ['its query', `?code=${CODE}&state=${STATE}`],
  ])('is read %s', (_name, text) => {
    expect(readPasted(text)).toEqual({ code: CODE, state: STATE });
  });

  it.each([
    ['nothing', ' \n ', 'is empty'],
    ['half of it', CODE, 'only a part'],
    ['the other half', `#${STATE}`, 'only a part'],
    ['no state', `${CODE}#`, 'only a part'],
    ['an address without a code', 'https://platform.claude.com/oauth/code/callback', 'only a part'],
    [
      'a no',
      `https://platform.claude.com/oauth/code/callback?error=access_denied&state=${STATE}`,
      'declined',
    ],
    [
      'the link',
      `https://claude.ai/oauth/authorize?code=true&code_challenge=x&state=${STATE}`,
      'the link itself',
    ],
    ['a token', 'sk-ant-oat01-of-somebody', 'is a token or key'],
    ['an address that is none', 'https://[', 'no whole address'],
    ['what no code has', `ü${CODE}#${STATE}`, 'characters that a code cannot have'],
    ['too much', `${'x'.repeat(5000)}#${STATE}`, 'cannot have'],
  ])('is refused as %s, and never repeated', (_name, text, said) => {
    let thrown: unknown;
    try {
      readPasted(text);
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof BerthError)) throw new Error('not refused');
    expect(thrown.errors).toEqual([{ path: 'body.code', message: expect.stringContaining(said) as string }]);
    expect(JSON.stringify(thrown.errors)).not.toContain(CODE);
  });
});

describe('an attempt', () => {
  const now = new Date('2026-11-25T12:00:00Z');
  const [before, after] = [new Date(now.getTime() - 1), new Date(now.getTime() + 1000)];

  it.each<[string, Date, string, string | null]>([
    ['pending', after, 'pending', null],
    ['pending', before, 'expired', messages.expired],
    ['exchanging', after, 'pending', 'This code is being exchanged at this moment.'],
    ['exchanging', before, 'refused', messages.interrupted],
    ['connected', before, 'connected', messages.connected],
    ['expired', before, 'expired', messages.expired],
    ['replaced', after, 'refused', messages.replaced],
    ['refused', after, 'refused', 'Claude said no.'],
  ])('that is %s until %s is shown as %s', (state, expiresAt, shown, refusal) => {
    const facts = { state, expiresAt, message: state === 'refused' ? 'Claude said no.' : null };
    expect(statusOf(facts, now)).toMatchObject({ state: shown, expiresAt: expiresAt.toISOString() });
    expect(refusalOf(facts, now)).toBe(refusal);
  });
});

it('only logins are connected, and each says what its terms expect', () => {
  expect([methodOf('claude_oauth'), methodOf('openai_oauth')]).toEqual(['paste', 'device']);
  expect(() => methodOf('anthropic_api_key')).toThrow(/set it with PUT/);
  expect(() => methodOf('claude_setup_token')).toThrow(/set it with PUT/);
  expect(noticeFor('claude_oauth', 'user')).toMatch(
    /Anthropic’s terms.*API key, AWS Bedrock or workload identity/,
  );
  expect(noticeFor('claude_setup_token', 'user')).toBe(noticeFor('claude_oauth', 'user'));
  expect(noticeFor('anthropic_api_key', 'organization')).toBeNull();
  expect(noticeFor('openai_oauth', 'organization')).toMatch(/every member of the organization/);
});
