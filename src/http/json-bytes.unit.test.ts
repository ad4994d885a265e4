import { objectionTo } from './json-bytes.js';

const nested = (levels: number, inside = ''): string => '['.repeat(levels) + inside + ']'.repeat(levels);

describe('a body as bytes', () => {
  it.each<[string, string | Buffer, string, string | null]>([
    ['plain', '{"text":"Grüße 👋"}', 'utf-8', null],
    ['empty', '', 'utf-8', null],
    ['a lone byte of a character', Buffer.from([0x22, 0xc3, 0x22]), 'utf-8', 'body.not-utf-8'],
    ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'utf-8', 'body.not-utf-8'],
    ['half a character', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'utf-8', 'body.not-utf-8'],
    ['in UTF-16, which it says', Buffer.from('{}', 'utf16le'), 'utf-16le', 'charset.unsupported'],
    ['in UTF-7', '{}', 'utf-7', 'charset.unsupported'],
    ['as deep as may be', nested(64), 'utf-8', null],
    ['one deeper', nested(65), 'utf-8', 'body.too-deep'],
    ['deep without an end', '{"a":'.repeat(65), 'utf-8', 'body.too-deep'],
    ['wide', `[${nested(60)},${nested(60)}]`, 'utf-8', null],
    ['with brackets in a text', `{"text":"${'['.repeat(1000)}"}`, 'utf-8', null],
    ['with a quote in a text', `{"text":"\\"${'['.repeat(1000)}"}`, 'utf-8', null],
    [
      'with a text that ends in a backslash',
      `{"text":"\\\\","more":${nested(64)}}`,
      'utf-8',
      'body.too-deep',
    ],
    ['deep behind closing brackets that nothing opened', `${']'.repeat(1000)}${nested(65)}`, 'utf-8', null],
  ])('%s', (_, body, charset, objection) => {
    expect(objectionTo(Buffer.from(body), charset)).toBe(objection);
  });
});
