import { mentions } from '../github/mention.js';
import { fitting, quiet } from './quiet.js';
import { plain } from '../github/status.js';

const FENCE = '```';

describe('what is quiet', () => {
  it('calls nobody, and leaves code and addresses as they are', () => {
    expect(quiet('ask @torvalds or @acme/team at a@b.c', 'berth')).toBe(
      'ask @\u2060torvalds or @\u2060acme/team at a@b.c',
    );
    const code = [
      'use `@nestjs/common`, ``@a` @b``, and \\` `@c`',
      `${FENCE}ts\n@Injectable()\n![x](y)\n${FENCE}`,
      `1. a list\n\n   ${FENCE}\n   @Injectable()\n   ${FENCE}`,
    ].join('\n\n');
    expect(quiet(code, 'berth')).toBe(code);
    expect(quiet('`@berth`', 'berth')).toBe('`@\u2060berth`');
  });

  it.each([
    ['backticks that are written as such', '\\`@torvalds\\`'],
    ['a line as it is made plain', plain('fix `@torvalds`')],
    ['emphasis', '_@torvalds_ and __@torvalds__'],
    ['a fence that is none', `${FENCE} \`\n@torvalds`],
    ['a fence in a fence', `${FENCE}\n${FENCE}js\n${FENCE}\n@torvalds`],
    ['a fence that ends with its list', `- a\n  ${FENCE}\n  b\n\n@torvalds`],
    ['a fence in raw HTML', `<div>\n${FENCE}\n</div>\n\n@torvalds`],
    ['a code span that a tag parts', '<b title="`">@torvalds</b>`'],
    ['a code span that an address parts', '<https://a.example/`>@torvalds`'],
    ['a code span over a line of which half is a table', '| a |\n|---|\n| `b|@torvalds` |'],
    ['references without a semicolon, in raw HTML', '<p>&#64torvalds and &nbsp@torvalds</p>'],
    ['a depth at which nobody reads', `${'>'.repeat(150)} \\\`@torvalds\\\``],
    ['a formula', `$\`@torvalds\`$\n\n${FENCE}math\n@torvalds\n${FENCE}`],
  ])('does not call through %s', (_, text) => {
    const said = quiet(text, 'berth');
    expect(said).toMatch(/(?:@|&#64)\u2060torvalds/);
    expect(said).not.toMatch(/@torvalds/);
    expect(mentions(said, 'torvalds')).toBe(false);
  });

  it('fetches nothing: an address that everybody who reads asks for could hold what the agent saw', () => {
    expect(quiet('![x](https://a.example/?q=secret) and [x](https://a.example)', 'berth')).toBe(
      '!\u2060[x](https://a.example/?q=secret) and [x](https://a.example)',
    );
    expect(quiet('<img src=x> <IMG\nsrc=x> <b>', 'berth')).toBe('&lt;img src=x> &lt;IMG\nsrc=x> <b>');
    expect(quiet('`![x](y)`', 'berth')).toBe('`![x](y)`');
    expect(quiet('\\`![x](y)\\`', 'berth')).toBe('\\`!\u2060[x](y)\\`');
  });

  it('has room where it is to fit', () => {
    for (const text of [
      '@a'.repeat(1000),
      '![x'.repeat(1000),
      '<img '.repeat(1000),
      'x@berth'.repeat(1000),
    ]) {
      const kept = fitting(text, 'berth', 500);
      expect(kept).not.toBe('');
      expect(quiet(kept, 'berth').length).toBeLessThanOrEqual(500);
    }
    expect(fitting('😀'.repeat(10), 'berth', 5)).toBe('😀😀');
  });
});
