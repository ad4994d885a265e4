import type { Timer } from '../timer.js';

const FLUSH_MILLISECONDS = 100;
const FLUSH_CHARACTERS = 2048;

/** Collects the small pieces in which a model streams, and passes them on every 100 ms or 2 KB. */
export class TextBuffer {
  #text = '';
  #cancel: (() => void) | null = null;

  constructor(
    private readonly timer: Timer,
    private readonly pass: (text: string) => void,
  ) {}

  add(text: string): void {
    this.#text += text;
    if (this.#text.length >= FLUSH_CHARACTERS) this.flush();
    else if (this.#text !== '') this.#cancel ??= this.timer.after(FLUSH_MILLISECONDS, () => this.flush());
  }

  /** Passes on what is there; to be called before anything that must come after it. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = null;
    for (let at = 0; at < this.#text.length;) {
      const end = wholeEnd(this.#text, at + FLUSH_CHARACTERS);
      this.pass(this.#text.slice(at, end));
      at = end;
    }
    this.#text = '';
  }
}

/** The same place, or one before it when that would cut a character in half. */
function wholeEnd(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return end < text.length && code >= 0xd800 && code <= 0xdbff ? end - 1 : end;
}
