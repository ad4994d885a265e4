import { oneLine } from './render.js';

/** What a command says on standard error while a person waits. */
export interface Progress {
  /** What is being waited for now. On a terminal it turns until something else is said. */
  wait(text: string): void;
  /** The same for what is over in a moment: nowhere but on a terminal is it worth a line. */
  glance(text: string): void;
  /** A remark that stays. */
  note(text: string): void;
  /** Nothing is waited for any more. Comes before anything else is printed. */
  clear(): void;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMilliseconds = 100;
const eraseLine = '\r\u001b[2K';

/** One line that turns and counts the seconds; for terminals. */
export class SpinnerProgress implements Progress {
  #timer: NodeJS.Timeout | null = null;
  #text = '';
  #startedAt = 0;
  #frame = 0;

  constructor(
    private readonly write: (text: string) => void,
    private readonly columns: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  wait(text: string): void {
    if (this.#timer !== null && text === this.#text) return;
    this.clear();
    this.#text = text;
    this.#startedAt = this.now();
    this.draw();
    this.#timer = setInterval(() => this.draw(), frameMilliseconds);
    // A spinner must not be what keeps the command running.
    this.#timer.unref();
  }

  glance(text: string): void {
    this.wait(text);
  }

  note(text: string): void {
    this.clear();
    this.write(`${text}\n`);
  }

  clear(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.write(eraseLine);
  }

  private draw(): void {
    const seconds = Math.floor((this.now() - this.#startedAt) / 1000);
    const line = `${frames[this.#frame++ % frames.length] ?? ''} ${oneLine(this.#text)}${seconds > 0 ? ` ${seconds} s` : ''}`;
    // A line that wraps could not be erased.
    this.write(`${eraseLine}${line.slice(0, Math.max(this.columns() - 1, 10))}`);
  }
}

/** A line for each thing that is waited for; for pipes, files and CI. */
export class PlainProgress implements Progress {
  #last = '';

  constructor(private readonly write: (text: string) => void) {}

  wait(text: string): void {
    if (text === this.#last) return;
    this.#last = text;
    this.write(`${oneLine(text)}\n`);
  }

  glance(): void {
    // What it comes to is said soon.
  }

  note(text: string): void {
    this.write(`${text}\n`);
  }

  clear(): void {
    // A printed line stays.
  }
}

/** Says nothing; with `--json`, where standard error holds nothing but a failure. */
export const silentProgress: Progress = {
  wait: () => undefined,
  glance: () => undefined,
  note: () => undefined,
  clear: () => undefined,
};
