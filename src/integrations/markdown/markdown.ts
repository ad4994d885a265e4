import MarkdownIt, { type Token } from 'markdown-it';

/** A block of a text, or what stands in a line of it. */
export type MarkdownToken = Token;

/**
 * CommonMark with raw HTML and with addresses as links, which is as much of GitHub's Markdown as decides where a text is plain text: tables and crossed-out text change no word. Of
 * the parsers that are well kept it is the one without a bad case: 131,072 characters of anything take it less than half a second, where others take minutes (`*a_ ` over and
 * over) or end the stack (`>` over and over). What is nested deeper than 100 is left out.
 */
const parser = new MarkdownIt('commonmark', { html: true, linkify: true, maxNesting: 100 }).enable('linkify');
// `www.example.com` is a link to GitHub. Without a `www.` it is none, and yet no place to speak to anybody.
parser.linkify.set({ fuzzyLink: true });

/** A body of GitHub has at most 65,536 characters, each of one or two UTF-16 units (github.md 6). What comes after them was not written there. */
export const MAX_BODY_UNITS = 131_072;

/** The blocks of a text, and in those of type `inline` what stands in them. */
export function parseMarkdown(text: string): MarkdownToken[] {
  return parser.parse(text.slice(0, MAX_BODY_UNITS), {});
}
