import { Secret } from '../kernel/index.js';
import { createLog } from './log.js';

const TEXT = 'Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2';

/** What the log writes when `say` speaks. */
function written(say: (log: ReturnType<typeof createLog>) => void, level = 'debug'): string {
  const lines: string[] = [];
  say(createLog(level, { write: (line: string) => void lines.push(line) }));
  return lines.join('');
}

describe('the log', () => {
  it('writes JSON lines with time, level and message', () => {
    const line = JSON.parse(written((log) => log.info({ workspaceId: 'w1' }, 'made'))) as object;
    expect(line).toMatchObject({
      level: 'info',
      msg: 'made',
      workspaceId: 'w1',
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    });
  });

  it('keeps to its level', () => {
    expect(written((log) => log.debug({}, 'x'), 'info')).toBe('');
    expect(written((log) => log.error({}, 'x'), 'silent')).toBe('');
  });

  it.each<[string, object]>([
    ['a Secret', { secret: new Secret(TEXT) }],
    ['a Secret under any name', { thing: new Secret(TEXT), deep: { er: { thing: new Secret(TEXT) } } }],
    ['text under the name of a secret', { password: TEXT, body: { apiKey: TEXT }, token: TEXT }],
    ['text that is not one, as `secret`', { secret: TEXT }],
    ['an Anthropic key in a sentence', { reason: `upstream said: invalid x-api-key sk-ant-api03-${TEXT}` }],
    ['a token in an error', { err: new Error(`refused sk-ant-oat01-${TEXT}`) }],
    ['an OpenAI key in a sentence', { reason: `Incorrect API key provided: sk-proj-${TEXT}` }],
    ['a token of GitHub', { reason: `Bad credentials ghs_29310_${TEXT}` }],
    ['a token of a person at GitHub', { reason: `github_pat_${TEXT}` }],
    ['a login at Linear', { reason: `lin_oauth_${TEXT} or lin_refresh_${TEXT}` }],
    ['a JWT', { reason: `eyJ${TEXT}` }],
    ['a Berth key', { path: `/x?key=berth_abcdefgh_${TEXT}` }],
  ])('does not write %s', (_, fields) => {
    const text = written((log) => log.error(fields, 'failed'));
    expect(text).toContain('failed');
    expect(text).not.toContain(TEXT);
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it('does not write a key that stands in the message', () => {
    expect(written((log) => log.warn({}, `refused: sk-ant-api03-${TEXT}`))).not.toContain(TEXT);
  });
});
