import type { Timer } from '../timer.js';

const FLUSH_MILLISECONDS = 100;
const FLUSH_CHARACTERS = 2048;

/** Passes on the small pieces in which a model streams: the first at once, what follows together every 100 ms or 2 KB. */
export class TextBuffer {
  #text = '';
  #cancel: (() => void) | null = null;

  constructor(
    private readonly timer: Timer,
    private readonly pass: (text: string) => void,
  ) {}

  add(text: string): void {
    this.#text += text;
    if (this.#cancel === null || this.#text.length >= FLUSH_CHARACTERS) this.#passAndCollect();
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

  /** What comes within the next 100 ms waits for their end; if nothing does, the piece after that is a first one again. */
  #passAndCollect(): void {
    this.flush();
    this.#cancel = this.timer.after(FLUSH_MILLISECONDS, () => {
      this.#cancel = null;
      if (this.#text !== '') this.#passAndCollect();
    });
  }
}

/** The same place, or one before it when that would cut a character in half. */
function wholeEnd(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return end < text.length && code >= 0xd800 && code <= 0xdbff ? end - 1 : end;
}
