import { CommanderError } from 'commander';
import { BerthError, messageOf } from '../kernel/index.js';
import { printable } from './render.js';

/** What the command's exit code says. 130 and above are signals, as shells count them. */
export const exitCodes = { ok: 0, refused: 1, usage: 2, unreachable: 3, turnFailed: 4 } as const;
export type FailureCode = Exclude<(typeof exitCodes)[keyof typeof exitCodes], 0>;

/** Why a command ended badly: a sentence for people, lines below it, and the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    readonly exitCode: FailureCode,
    message: string,
    readonly details: string[] = [],
    options: { cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
  }
}

/** Berth could not be asked, or stopped answering; asking again later may help. */
export class UnreachableError extends CliError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(exitCodes.unreachable, message, [], options);
  }
}

/** Berth answered with an error. `code` is the stable code of its problem document, when there was one. */
export class RefusedError extends CliError {
  constructor(
    readonly status: number,
    readonly code: string | null,
    message: string,
    details: string[],
    /** Seconds, from `Retry-After`; null when the answer does not say. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(exitCodes.refused, message, details);
  }
}

/** Ends the command with the exit code of a program it started, which has said all there is to say. */
export class ChildExit extends Error {
  override readonly name = 'ChildExit';

  constructor(readonly exitCode: number) {
    super(`The program ended with exit code ${exitCode}.`);
  }
}

/** The exit code of anything that was thrown, and the lines to print about it. */
export function describeFailure(error: unknown): { exitCode: number; lines: string[] } {
  // commander has printed its own message already; help and version are thrown too, with exit code 0.
  if (error instanceof CommanderError)
    return { exitCode: error.exitCode === 0 ? exitCodes.ok : exitCodes.usage, lines: [] };
  if (error instanceof ChildExit) return { exitCode: error.exitCode, lines: [] };
  if (error instanceof CliError)
    return { exitCode: error.exitCode, lines: linesOf(error.message, error.details) };
  if (error instanceof BerthError) {
    const exitCode = error.code === 'config-invalid' ? exitCodes.usage : exitCodes.refused;
    return { exitCode, lines: linesOf(error.message, fieldLines(error.errors ?? [])) };
  }
  return { exitCode: exitCodes.refused, lines: linesOf(messageOf(error), []) };
}

/** One indented line for each wrong field. */
export function fieldLines(errors: { path: string; message: string }[]): string[] {
  return errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
}

function linesOf(message: string, details: string[]): string[] {
  return [`berth: ${printable(message)}`, ...details.map((line) => `  ${printable(line)}`)];
}
