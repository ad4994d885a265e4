import { parseMarkdown, type MarkdownToken } from './markdown.js';

/** An invisible character that joins words: nothing that is spelled with it in the middle is a name, or an image. */
const JOINER = '\u2060';

/**
 * An `@` that may begin a name, however it is written. GitHub looks for names in the rendered text: marks of emphasis before one are gone there (`_@name_`), a backslash too, and in raw HTML a
 * character reference needs no semicolon.
 */
const CALL =
  /(?:(?<![A-Za-z0-9])|(?<=&#?[A-Za-z0-9]{1,32}))(?:@|&(?:#0*64|#x0*40|commat);?)(?=[A-Za-z0-9&])/gi;
/** What begins an image: whoever opens the page fetches it, and its address can hold anything that the agent has seen. */
const IMAGE =
  /!(?=\[)|<(?=\/?(?:audio|embed|iframe|image|img|input|object|picture|source|svg|track|video)\b)/gi;
const LOUD = new RegExp(`${CALL.source}|${IMAGE.source}`, 'gi');
/** The same, and before it what hides some of it: a backslash or backtick that is written as such, a code span in one line. */
const LOUD_OUTSIDE_CODE = new RegExp(
  `\\\\[\\\\\`]|(?<!\`)(\`+)(?!\`)[^]*?(?<!\`)\\1(?!\`)|(${LOUD.source})`,
  'gi',
);

/** Where a line of a text stands, as far as the parser is sure: inside of a fence, in running text, or anywhere else. */
type Sort = 'fence' | 'words' | 'other';

/**
 * A text that calls nobody and fetches nothing, by the rules of GitHub, which are the strictest: it tells people and teams of a mention, and an agent's words may hold the names of anybody. Code stays as it is where it is surely code: in a fence, as the
 * parser finds it, and in code spans, of which it is looked afterwards whether they are such to the parser. Our own name stands not even there.
 */
export function quiet(text: string, name: string): string {
  const own = ownName(name);
  // As the parser counts lines.
  const lines = text.split(/\r\n?|\n/);
  if (text.search(LOUD) === -1) return lines.join('\n').replace(own, `@${JOINER}`);
  const sorts = sortsOf(parseMarkdown(text), lines.length, () => true);
  const gentle = lines.map((line, at) => {
    if (sorts[at] === 'fence') return line;
    // A bar may part a code span in two, in a table; and of what stands in a formula nobody knows.
    return sorts[at] === 'words' && !/[|$]/.test(line) ? quietOutsideCode(line) : quietAll(line);
  });
  const loud = sortsOf(parseMarkdown(gentle.join('\n')), lines.length, isLoud);
  const said = gentle.map((line, at) => (loud[at] === 'words' ? quietAll(line) : line));
  return said.join('\n').replace(own, `@${JOINER}`);
}

/** As much of a text from its front as has room when it is quiet: that makes it longer. */
export function fitting(text: string, name: string, room: number): string {
  const begun = text.slice(0, room);
  const found = [...(begun.match(LOUD) ?? []), ...(begun.match(ownName(name)) ?? [])];
  const longer = found.reduce((sum, each) => sum + quieted(each).length - each.length, 0);
  return begun.slice(0, Math.max(0, room - longer)).replace(/\p{Surrogate}$/u, '');
}

const ownName = (name: string): RegExp =>
  new RegExp(`@(?=${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')})`, 'gi');

const quietAll = (line: string): string => line.replace(LOUD, quieted);

function quietOutsideCode(line: string): string {
  return line.replace(LOUD_OUTSIDE_CODE, (found: string, _fence?: string, loud?: string) =>
    loud === undefined ? found : quieted(loud),
  );
}

const quieted = (found: string): string => (found === '<' ? '&lt;' : found + JOINER);

/** Running text in lines that the parser left out, since it was nested too deeply, is no `words`. */
function sortsOf(blocks: MarkdownToken[], lines: number, counts: (inline: MarkdownToken) => boolean): Sort[] {
  const sorts = new Array<Sort>(lines).fill('other');
  for (const block of blocks) {
    const { type, map, info } = block;
    if (map && type === 'fence' && !/^\s*math\b/i.test(info)) sorts.fill('fence', map[0], map[1]);
    if (map && type === 'inline' && counts(block)) sorts.fill('words', map[0], map[1]);
  }
  return sorts;
}

function isLoud({ children }: MarkdownToken): boolean {
  return (children ?? []).some(
    ({ type, content }) =>
      type === 'image' || ((type === 'text' || type === 'html_inline') && content.search(LOUD) !== -1),
  );
}
