import { createInterface } from 'node:readline/promises';
import type { Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { QuietExit } from './failure.js';

/** Asks a person at a terminal. */
export interface Prompts {
  /** One line; an empty answer is the default, where there is one. */
  ask(question: string, preset?: string): Promise<string>;
  /** One line that is not shown while it is typed or pasted. */
  askHidden(question: string): Promise<string>;
  /** Yes or no; no by default. */
  confirm(question: string): Promise<boolean>;
}

/** What a shell shows for a program that Ctrl-C ended. */
const interrupted = 130;

/** Prompts on a terminal: questions on `output`, which is standard error, so that standard output holds what was asked for only. */
export class TerminalPrompts implements Prompts {
  constructor(
    private readonly input: NodeJS.ReadStream,
    private readonly output: NodeJS.WriteStream,
  ) {}

  async ask(question: string, preset?: string): Promise<string> {
    const hint = preset === undefined || preset === '' ? '' : ` [${preset}]`;
    const answer = await this.read(this.output, `${question}${hint}: `);
    return answer.trim() === '' ? (preset ?? '') : answer.trim();
  }

  async askHidden(question: string): Promise<string> {
    this.output.write(`${question}: `);
    // readline edits the line as usual and writes it to nowhere.
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    try {
      return await this.read(nowhere, '');
    } finally {
      this.output.write('\n');
    }
  }

  async confirm(question: string): Promise<boolean> {
    const answer = await this.ask(`${question} [y/N]`);
    return /^y(es)?$/i.test(answer);
  }

  private async read(output: NodeJS.WritableStream, question: string): Promise<string> {
    const lines = createInterface({ input: this.input, output, terminal: true, historySize: 0 });
    try {
      return await Promise.race([lines.question(question), ended(lines)]);
    } finally {
      lines.close();
    }
  }
}

/** Ctrl-C and Ctrl-D end the command; the terminal is as before, since readline puts it back when it closes. */
function ended(lines: Interface): Promise<never> {
  return new Promise((_resolve, reject) => {
    lines.once('SIGINT', () => reject(new QuietExit(interrupted)));
    lines.once('close', () => reject(new QuietExit(interrupted)));
  });
}
