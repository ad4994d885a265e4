import { MAX_BODY_UNITS, parseMarkdown } from '../markdown/markdown.js';
import { withoutUnseen } from '../markdown/unseen.js';
import { withoutMention } from './mention.js';

/**
 * What a comment asks for, in its author's own Markdown: without the mention and without what nobody sees on the page (HTML comments, invisible characters), since only what the author
 * could read was asked by them. Empty when nothing but the mention is there.
 */
export function requestOf(markdown: string, slug: string): string {
  const text = withoutMention(shownOf(markdown), slug);
  return /[\p{L}\p{N}]/u.test(text) ? text : '';
}

/** A Markdown text without what nobody sees on the page. */
export function shownOf(markdown: string): string {
  const text = markdown.slice(0, MAX_BODY_UNITS).replace(/\r\n?/g, '\n');
  return withoutUnseen(withoutComments(text));
}

type Sort = 'code' | 'hidden' | 'text';

/** HTML comments go, but not in code, where they are what the author shows. */
function withoutComments(markdown: string): string {
  if (!markdown.includes('<!--')) return markdown;
  const lines = markdown.split('\n');
  const sorts = sortsOf(markdown, lines.length);
  const kept: string[] = [];
  for (let at = 0; at < lines.length;) {
    const sort = sorts[at];
    let end = at + 1;
    while (end < lines.length && sorts[end] === sort) end += 1;
    const text = lines.slice(at, end).join('\n');
    if (sort !== 'hidden') kept.push(sort === 'code' ? text : cut(text));
    at = end;
  }
  return kept.join('\n');
}

function sortsOf(markdown: string, lines: number): Sort[] {
  const sorts = new Array<Sort>(lines).fill('text');
  for (const { type, map, content } of parseMarkdown(markdown)) {
    const isCode = type === 'fence' || type === 'code_block';
    // A block that begins a comment and does not end it hides all that follows.
    const isHidden =
      type === 'html_block' && content.trimStart().startsWith('<!--') && !content.includes('-->');
    if (map && (isCode || isHidden)) sorts.fill(isCode ? 'code' : 'hidden', map[0], map[1]);
  }
  return sorts;
}

/** Without the comments that end. One that does not is text, as on the page. It is looked for once, not once for each beginning. */
function cut(text: string): string {
  let kept = '';
  let at = 0;
  for (;;) {
    const from = text.indexOf('<!--', at);
    const end = from === -1 ? -1 : text.indexOf('-->', from + 4);
    if (end === -1) return kept + text.slice(at);
    kept += text.slice(at, from);
    at = end + 3;
  }
}
