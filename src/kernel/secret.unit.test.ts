import { inspect } from 'node:util';
import { pino } from 'pino';
import { hintOf, Secret } from './secret.js';

const TEXT = 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2-tail';
const secret = new Secret(TEXT);
/** As where it is taken for text by mistake. */
const asText = secret as unknown as string;

describe('Secret', () => {
  it('gives its text only when asked to reveal it', () => {
    expect(secret.reveal()).toBe(TEXT);
  });

  it('is taken out of what others say', () => {
    expect(secret.hideIn(`${TEXT} is no good: ${TEXT}`)).toBe(
      '[secret sk-ant-api03-…tail] is no good: [secret sk-ant-api03-…tail]',
    );
    expect(new Secret('').hideIn('nothing')).toBe('nothing');
  });

  it.each<[string, () => string]>([
    ['template text', () => `said ${asText}`],
    ['concatenation', () => 'said ' + asText],
    ['String()', () => String(secret)],
    ['JSON', () => JSON.stringify({ secret, list: [secret] })],
    ['util.inspect', () => inspect({ deep: { er: { secret } } }, { depth: 10, showHidden: true })],
    ['the cause of an error', () => inspect(new Error('x', { cause: secret }))],
    ['its own properties', () => JSON.stringify(Object.entries(Object.getOwnPropertyDescriptors(secret)))],
    ['structuredClone', () => inspect(structuredClone({ secret }))],
    ['Object.assign', () => inspect(Object.assign({}, secret))],
  ])('does not print in %s', (_, print) => {
    const printed = print();
    expect(printed).not.toContain(TEXT);
    expect(printed).not.toContain('Zq8rT1vLw6');
  });

  it('does not print in a pino log, in any place of a line', () => {
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    log.info(
      { secret, nested: { value: secret }, error: new Error(`failed with ${secret.toString()}`) },
      'said %s %o',
      secret,
      secret,
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('sk-ant-api03-…tail');
    expect(lines[0]).not.toContain('Zq8rT1vLw6');
  });

  it.each([
    [TEXT, 'sk-ant-api03-…tail'],
    ['sk-ant-oat01-abcdefghijklmnopqrst', 'sk-ant-oat01-…qrst'],
    ['sk-proj-abcdefghijklmnopqrst', 'sk-proj-…qrst'],
    ['AKIAIOSFODNN7EXAMPLE', 'AKIA…MPLE'],
    ['abcdefghijklmnopqrstuvwxyz', '…wxyz'],
    // So short that four characters would be much of it.
    ['sk-ant-api03-short', '…'],
    ['', '…'],
  ])('hints at %s as %s', (text, hint) => {
    expect(hintOf(text)).toBe(hint);
    expect(new Secret(text).hint).toBe(hint);
  });

  it('says nothing of a short secret in its hint', () => {
    for (let length = 0; length < 20; length++) expect(hintOf('x'.repeat(length))).toBe('…');
  });
});
