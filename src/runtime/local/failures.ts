import { BerthError } from '../../kernel/index.js';

/** The `code` of a system error (`ENOENT`, …), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  // By shape and not by class: errors of Node's own modules are of another class where code runs in a context of its own (Jest).
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** True when the error says that a file or a process is not there. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '');
}

const DISK_FULL =
  'The disk that holds Berth’s data directory is full. Free some space on it, then try again.';
const NOT_ALLOWED =
  'Berth may not write to its data directory. Give the user that runs Berth the right to write there, then try again.';
const READ_ONLY =
  'The disk that holds Berth’s data directory is read-only. Mount it writable, then try again.';
const TOO_MANY =
  'This machine has no room for another process or open file. Raise its limits or stop some workspaces, then try again.';
const NO_MEMORY = 'This machine is out of memory. Stop some workspaces, then try again.';

const sentences: Record<string, string> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  EROFS: READ_ONLY,
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
  EAGAIN: TOO_MANY,
  ENOMEM: NO_MEMORY,
};

/**
 * The error people see when the machine said no. It names no path: members of any tenant may read it, the log has the cause.
 * A BerthError passes unchanged.
 */
export function runtimeFailure(error: unknown, doing: string): BerthError {
  if (error instanceof BerthError) return error;
  const code = systemCode(error);
  const sentence = code === undefined ? undefined : sentences[code];
  const fallback = `The machine refused${code === undefined ? '' : ` (${code})`}. Berth’s log has the details; mend the cause, then try again.`;
  return new BerthError('runtime-failed', `${doing} failed. ${sentence ?? fallback}`, { cause: error });
}
