import { CommanderError } from 'commander';
import { BerthError, messageOf } from '../kernel/index.js';
import { exitCodeOfStatus, exitCodes, type FailureCode } from './exit-codes.js';
import { jsonText, printable } from './render.js';

interface CliErrorOptions {
  cause?: unknown;
  /** For programs; by default the exit code's own word. */
  code?: string;
}

/** Why a command ended badly: a sentence for people, lines below it, and the exit code. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly code: string;

  constructor(
    readonly exitCode: FailureCode,
    message: string,
    readonly details: string[] = [],
    options: CliErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.code = options.code ?? codeWords[exitCode];
  }
}

const codeWords: Record<FailureCode, string> = {
  [exitCodes.failed]: 'failed',
  [exitCodes.usage]: 'usage',
  [exitCodes.notAllowed]: 'not-signed-in',
  [exitCodes.notFound]: 'not-found',
  [exitCodes.conflict]: 'conflict',
  [exitCodes.unavailable]: 'unreachable',
  [exitCodes.turnFailed]: 'turn-failed',
  [exitCodes.warnings]: 'warnings',
};

/** Berth could not be asked, or stopped answering; asking again later may help. */
export class UnreachableError extends CliError {
  override readonly name = 'UnreachableError';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(exitCodes.unavailable, message, [], options);
  }
}

/** What an answer that is no success says; null where it does not say. */
export interface Refusal {
  status: number;
  /** The stable code of the problem document. */
  problemCode: string | null;
  message: string;
  details: string[];
  /** From `Retry-After`. */
  retryAfterSeconds: number | null;
  /** What to quote when asking for help; the server's log has it too. */
  requestId: string | null;
}

/** Berth answered with an error. */
export class RefusedError extends CliError {
  override readonly name = 'RefusedError';
  readonly status: number;
  readonly problemCode: string | null;
  readonly retryAfterSeconds: number | null;
  readonly requestId: string | null;

  constructor(refusal: Refusal) {
    const { status, problemCode, message, details } = refusal;
    super(exitCodeOfStatus(status), message, details, problemCode === null ? {} : { code: problemCode });
    this.status = status;
    this.problemCode = problemCode;
    this.retryAfterSeconds = refusal.retryAfterSeconds;
    this.requestId = refusal.requestId;
  }
}

/** Ends the command with an exit code of which everything has been said already. */
export class QuietExit extends Error {
  override readonly name = 'QuietExit';

  constructor(readonly exitCode: number) {
    super(`The command ended with exit code ${exitCode}.`);
  }
}

/** The end of a command that failed: what to print on standard error, for people or as one line of JSON, and the exit code. */
export interface Failure {
  exitCode: number;
  lines: string[];
}

/** Whatever was thrown, for people. One wrong field is Berth's whole sentence already, and is not said twice. */
export function describeFailure(error: unknown): Failure {
  const told = tell(error);
  if (told === null) return { exitCode: quietCode(error), lines: [] };
  // commander has printed its own message already.
  if (error instanceof CommanderError) return { exitCode: told.exitCode, lines: [] };
  const id = told.requestId === undefined ? [] : [`request id: ${told.requestId}`];
  const suffix = error instanceof RefusedError && error.problemCode !== null ? ` (${error.problemCode})` : '';
  return {
    exitCode: told.exitCode,
    lines: [
      `berth: ${printable(told.message)}${printable(suffix)}`,
      ...[...told.details.filter((line) => line !== told.message), ...id].map(
        (line) => `  ${printable(line)}`,
      ),
    ],
  };
}

/** Whatever was thrown, for programs: `{"error": {code, message, exitCode, …}}` on one line. */
export function failureJson(error: unknown): Failure {
  const told = tell(error);
  if (told === null) return { exitCode: quietCode(error), lines: [] };
  return { exitCode: told.exitCode, lines: [jsonText({ error: told })] };
}

interface Told {
  code: string;
  message: string;
  exitCode: FailureCode;
  status?: number;
  requestId?: string;
  details: string[];
}

/** Null for ends that need no words: help, version, and programs that spoke for themselves. */
function tell(error: unknown): Told | null {
  if (error instanceof QuietExit) return null;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return null;
    const message = error.message.replace(/^error: /, '');
    return { code: 'usage', message, exitCode: exitCodes.usage, details: [] };
  }
  if (error instanceof RefusedError) {
    const { code, message, exitCode, details, status, requestId } = error;
    return { code, message, exitCode, status, ...(requestId === null ? {} : { requestId }), details };
  }
  if (error instanceof CliError) {
    const { code, message, exitCode, details } = error;
    return { code, message, exitCode, details };
  }
  if (error instanceof BerthError) {
    const { code, message } = error;
    return { code, message, exitCode: exitCodeOfOurs(error), details: fieldLines(error.errors ?? []) };
  }
  return { code: 'failed', message: messageOf(error), exitCode: exitCodes.failed, details: [] };
}

function exitCodeOfOurs({ code, status }: BerthError): FailureCode {
  return code === 'config-invalid' ? exitCodes.usage : exitCodeOfStatus(status);
}

function quietCode(error: unknown): number {
  return error instanceof QuietExit ? error.exitCode : exitCodes.ok;
}

/** One indented line for each wrong field. */
export function fieldLines(errors: { path: string; message: string }[]): string[] {
  return errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
}
