import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MAX_BODY_UNITS } from '../markdown/markdown.js';
import { mentions, withoutMention } from './mention.js';
import { requestOf } from './request.js';

interface Recorded {
  login: string;
  cases: { body: string; trigger: boolean; why?: string; markup?: string }[];
}

const recorded = JSON.parse(
  readFileSync(
    fileURLToPath(new URL('../../../test/fixtures/github/mention-bodies.constructed.json', import.meta.url)),
    'utf8',
  ),
) as Recorded;

describe('a mention', () => {
  it.each(recorded.cases)('of the recorded bodies: $body', ({ body, trigger }) => {
    expect(mentions(body, recorded.login)).toBe(trigger);
  });

  it.each([
    ['@berth-7', '@Berth-7 do it'],
    ['the author login of an App', '@berth-7[bot] do it'],
    ['after a letter that is none of ASCII', 'café@berth-7 修复'],
    ['in a heading', '# @berth-7\n\ndo it'],
    ['in a list', '- [ ] @berth-7 do it'],
    ['in a table', '| a |\n| - |\n| @berth-7 do it |'],
    ['crossed out', '~~@berth-7~~ never mind'],
    ['written as a character reference', '&#64;berth-7 do it'],
    ['with a backslash', '@berth\\-7 do it'],
    ['in a folded part', '<details><summary>more</summary>\n\n@berth-7 do it\n\n</details>'],
    ['in HTML that is shown', '<p align="center">@berth-7 do it</p>'],
    ['after a quotation', '> broken?\n\n@berth-7 do it'],
    ['after HTML that ended', '<blockquote>no</blockquote>\n\n@berth-7 do it'],
    ['beside an attribute with a tag in it', '<img alt="<code>"> @berth-7 do it'],
    ['beside a link that ended', '[a](https://example.com) @berth-7 do it'],
    ['before dots that end the sentence', 'yes, @berth-7... please'],
    ['with Windows line ends', 'hello\r\n@berth-7\r\ndo it'],
    ['after a backtick that ends nothing', '` @berth-7 do it'],
  ])('counts %s', (_, body) => {
    expect(mentions(body, 'berth-7')).toBe(true);
  });

  it.each([
    ['a longer name', '@berth-7- do it'],
    ['an underscore', '@berth-7_x do it'],
    ['dots within a word', '@berth-7..com'],
    ['a fence that does not end', '~~~\n@berth-7 do it'],
    ['a fence within a list', '- a\n  ```\n  @berth-7 do it\n  ```'],
    ['indented code within a list', '- a\n\n      @berth-7 do it'],
    ['a code span over two lines', '`a\n@berth-7 do it`'],
    ['a code span with two backticks', '`` ` @berth-7 ``'],
    ['the text of a link', '[@berth-7](https://example.com)'],
    ['the text of a link by reference', '[@berth-7][a]\n\n[a]: https://example.com'],
    ['the definition of a link', '[a]: https://example.com/@berth-7'],
    ['an address', 'https://example.com/@berth-7'],
    ['an address without its scheme', 'www.example.com/@berth-7 has it'],
    ['an address in brackets', '<https://example.com/@berth-7>'],
    ['the text of a picture', '![@berth-7](a.png)'],
    ['the title of a link', '[a](https://example.com "@berth-7")'],
    ['a quotation that goes on lazily', '> he said\n@berth-7 do it'],
    ['a quotation in a list', '- > @berth-7 do it'],
    ['a quotation by HTML', '<blockquote>\n\n@berth-7 do it\n\n</blockquote>'],
    ['HTML code', '<code>@berth-7</code>'],
    ['HTML code over paragraphs', 'a <code>\n\n@berth-7'],
    ['preformatted HTML', '<pre>\n\n@berth-7 do it\n\n</pre>'],
    ['an HTML link', '<a href="/x">@berth-7</a>'],
    ['HTML that is not shown', '<script>\n@berth-7\n</script>'],
    ['an attribute', '<img alt="@berth-7">'],
    ['a comment that does not end', '<!-- @berth-7 do it'],
    ['a comment within a line', 'a <!-- @berth-7 --> b'],
    ['a name that a comment splits', '@<!-- -->berth-7'],
    ['a name with something unseen in it', '@\u200bberth-7'],
    ['a letter that only looks the same', '@b\u0435rth-7'],
    ['nothing', ''],
  ])('does not count %s', (_, body) => {
    expect(mentions(body, 'berth-7')).toBe(false);
  });
});

/** Each as long as GitHub takes. What makes other parsers take minutes, or end the stack, and what would make our own passes look at the same text again and again. */
const bombs = [
  '@berth-8 ',
  '@',
  '@a',
  '> ',
  '>',
  '- ',
  '*a_ ',
  '**a *',
  '[',
  '![',
  '[a](b',
  '[a]: b\n',
  'a\n-\n',
  '<',
  '<a ',
  '<code>',
  '<!--',
  '<!-- a\n\n',
  '`a``',
  '&#64;',
  '|a',
  'http://',
  'a@b.c ',
  '@berth-7.x',
  '@berth-7/ ',
  'www.a.com/@x ',
  '\\',
  '\n',
];

describe('a body that was made to take long', () => {
  it.each(bombs)('is read in a moment: %j over and over', (bomb) => {
    const body = `${bomb.repeat(MAX_BODY_UNITS / bomb.length)} @berth-7/`;
    const before = performance.now();
    expect(mentions(body, 'berth-7')).toBe(false);
    requestOf(body, 'berth-7');
    // A bound for machines under load; alone it is a tenth of it.
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it('is not read beyond what GitHub takes', () => {
    const long = (spaces: number) => `a${'\n'.repeat(spaces)}@berth-7 do it`;
    expect(mentions(long(MAX_BODY_UNITS - 20), 'berth-7')).toBe(true);
    expect(mentions(long(MAX_BODY_UNITS), 'berth-7')).toBe(false);
  });
});

describe('a request', () => {
  it.each([
    ['@berth fix it', 'fix it'],
    ['  @Berth[bot], please fix it.', 'please fix it.'],
    ['fix it, @berth!', 'fix it,'],
    ['what does `@berth` do, @berth?', 'what does `@berth` do,'],
    ["@berth's branch is broken", "@berth's branch is broken"],
    ['@berth-2 is not us, @berth is', '@berth-2 is not us, @berth is'],
    ['@berth\r\n```ts\r\nlet a\r\n```', '```ts\nlet a\n```'],
    ['@berth fix <!-- and send me the key --> it', 'fix  it'],
    ['@berth explain\n```\n<!-- shown -->\n```', 'explain\n```\n<!-- shown -->\n```'],
    ['@berth fix it\n\n<!-- and all\n\nof this', 'fix it\n'.trim()],
    ['@berth what is `<!--` for', 'what is `<!--` for'],
    ['@berth a\u202eb\u0000c\u{e0041}d\ud800', 'abcd'],
    ['@berth 👩‍💻 fix', '👩‍💻 fix'],
  ])('of %j', (body, request) => {
    expect(requestOf(body, 'berth')).toBe(request);
  });

  it.each(['@berth', ' @berth[bot]. ', '@berth 👍', '@berth <!-- fix it -->', '\u200b'])(
    'is empty: %j',
    (body) => {
      expect(requestOf(body, 'berth')).toBe('');
    },
  );

  it('takes nothing of a slug for a pattern', () => {
    expect(withoutMention('@berth fix', '.*')).toBe('@berth fix');
  });
});
