import { parseMarkdown, type MarkdownToken } from '../markdown/markdown.js';
import { OpenElements } from './raw-html.js';

/**
 * Whether a comment speaks to the bot: `@slug` or `@slug[bot]` in what its author says in it. The rules are those of GitHub's own mentions (github.md 4), in rendered text and outside
 * of code and links; besides, nothing in a quotation counts, since it repeats somebody else's words, often the bot's own.
 */
export function mentions(markdown: string, slug: string): boolean {
  // Most comments end here, unparsed.
  if (!mayMention(markdown, slug)) return false;
  for (const text of spokenTexts(parseMarkdown(markdown))) if (names(text, slug)) return true;
  return false;
}

/** Told at once, and false for whatever holds no mention. A character reference (`&#64;`) or a backslash may hide any part of the name. */
export function mayMention(markdown: string, slug: string): boolean {
  const plain = markdown.toLowerCase();
  return plain.includes(slug.toLowerCase()) || /[&\\]/.test(plain);
}

/**
 * The name as html-pipeline's mention filter takes it: as many letters, digits and hyphens as there are; not after a word character (`ops@bot`), not before `/` (a team), `_`, or a dot
 * within a word (`bot.com`).
 */
const MENTION = /(?<![A-Za-z0-9_])@([A-Za-z0-9][A-Za-z0-9-]*)(?![A-Za-z0-9_/-]|\.+[A-Za-z0-9_])/g;

function names(text: string, slug: string): boolean {
  for (const [, login] of text.matchAll(MENTION)) if (isSame(login, slug)) return true;
  return false;
}

function isSame(login: string | undefined, slug: string): boolean {
  return login?.toLowerCase() === slug.toLowerCase();
}

/** What the author says: each run of plain text, without what stands in code, links, quotations and pictures. */
function* spokenTexts(blocks: MarkdownToken[]): Generator<string> {
  const elements = new OpenElements();
  let quotations = 0;
  for (const block of blocks) {
    if (block.type === 'blockquote_open') quotations += 1;
    if (block.type === 'blockquote_close') quotations -= 1;
    // Read in quotations too: an element that is opened there may go on after them.
    const texts =
      block.type === 'html_block' ? elements.read(block.content) : [...inlineTexts(block, elements)];
    if (quotations === 0) yield* texts;
  }
}

function* inlineTexts(block: MarkdownToken, elements: OpenElements): Generator<string> {
  let links = 0;
  for (const token of block.children ?? []) {
    if (token.type === 'html_inline') elements.read(token.content);
    if (token.type === 'link_open') links += 1;
    if (token.type === 'link_close') links -= 1;
    if (token.type === 'text' && links === 0 && !elements.silent) yield token.content;
  }
}

/** The text without the mention that it begins or ends with, and without what people write between it and what they ask for. */
export function withoutMention(text: string, slug: string): string {
  const own = `@${slug.replace(/[^A-Za-z0-9-]/g, '')}(?:\\[bot\\])?`;
  const first = new RegExp(`^\\s*${own}(?![A-Za-z0-9_/'’-]|\\.+[A-Za-z0-9_])[\\s,:;.!?-]*`, 'i');
  const last = new RegExp(`(?<![A-Za-z0-9_])${own}[\\s.!?]*$`, 'i');
  return text.replace(first, '').replace(last, '').trim();
}
