/**
 * Elements whose text is no word of the author to us: code, links, other people's words, and what GitHub never shows (GFM 6.11 lists the last of them).
 */
const SILENT = new Set([
  'a',
  'blockquote',
  'code',
  'iframe',
  'noembed',
  'noframes',
  'plaintext',
  'pre',
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
]);

/**
 * Which silent elements raw HTML has left open, over all of a text: between `<blockquote>` and `</blockquote>` there may be many paragraphs of Markdown. An element that is never
 * closed goes on to the end, as in a browser.
 */
export class OpenElements {
  readonly #open = new Map<string, number>();

  get silent(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Reads a piece of HTML and gives the texts of it that people see as such. One pass from left to right that never goes back: however many `<` there are, the time is that of
   * reading the piece.
   */
  read(html: string): string[] {
    const texts: string[] = [];
    let at = 0;
    while (at < html.length) {
      const tag = html.indexOf('<', at);
      const end = tag === -1 ? html.length : tag;
      if (end > at && !this.silent) texts.push(html.slice(at, end));
      if (tag === -1) break;
      at = this.#pass(html, tag);
    }
    return texts;
  }

  /** Where the comment or tag that begins at `from` ends. */
  #pass(html: string, from: number): number {
    if (html.startsWith('<!--', from)) return after(html, '-->', from + 4);
    const [, slash, name] = /^<(\/?)([a-z][a-z0-9-]*)/i.exec(html.slice(from, from + 16)) ?? [];
    if (name === undefined) return '!?'.includes(html[from + 1] ?? ' ') ? after(html, '>', from) : from + 1;
    this.#note(name.toLowerCase(), slash === '/');
    return endOfTag(html, from + 1);
  }

  #note(name: string, closes: boolean): void {
    if (!SILENT.has(name)) return;
    const open = this.#open.get(name) ?? 0;
    // A link in a link ends the one around it.
    const now = closes ? open - 1 : name === 'a' ? 1 : open + 1;
    if (now > 0) this.#open.set(name, now);
    else this.#open.delete(name);
  }
}

function after(html: string, end: string, from: number): number {
  const found = html.indexOf(end, from);
  return found === -1 ? html.length : found + end.length;
}

/** A `>` between quotes belongs to the value of an attribute. */
function endOfTag(html: string, from: number): number {
  let quote = '';
  for (let at = from; at < html.length; at += 1) {
    const character = html[at] ?? '';
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '>') return at + 1;
    else if (character === '"' || character === "'") quote = character;
  }
  return html.length;
}
