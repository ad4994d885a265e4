import { inspect } from 'node:util';

/**
 * A secret on its way through the program. Whatever prints it (template text, JSON, a logger, the inspector) prints the hint;
 * only `reveal()` gives the text, so that each place that needs it can be found by name.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  /** What may be shown of it: `sk-ant-…wxyz`. Never more than the last four characters, and none of a short secret. */
  get hint(): string {
    return hintOf(this.#text);
  }

  /** A text without it: who was asked with it may quote it in an answer. */
  hideIn(text: string): string {
    return this.#text === '' ? text : text.replaceAll(this.#text, this.toString());
  }

  toString(): string {
    return `[secret ${this.hint}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

const MIN_LENGTH_TO_SHOW_TAIL = 20;
const KNOWN_PREFIX = /^(sk-ant-api03-|sk-ant-oat01-|sk-proj-|sk-|AKIA|ASIA|github_pat_|gh[opsu]_|glpat-)/;

/** A masked form of a secret by which its owner recognises it: the well-known prefix and the last four characters. */
export function hintOf(text: string): string {
  if (text.length < MIN_LENGTH_TO_SHOW_TAIL) return '…';
  const prefix = KNOWN_PREFIX.exec(text)?.[1] ?? '';
  return `${prefix}…${text.slice(-4)}`;
}
