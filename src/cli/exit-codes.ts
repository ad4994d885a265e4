/** What the command's exit code says. Fixed: scripts rely on it. Codes above 128 are signals, as shells count them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notAllowed: 3,
  notFound: 4,
  conflict: 5,
  unavailable: 6,
  turnFailed: 7,
  warnings: 8,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
export type FailureCode = Exclude<ExitCode, 0>;

const meanings: Record<ExitCode, string> = {
  0: 'done',
  1: 'failed: Berth or this machine could not do it; doctor found something that must be mended; an audit log does not hold; a no to a question',
  2: 'wrong usage: arguments, input or configuration; nothing was done',
  3: 'not signed in, or not allowed',
  4: 'not found',
  5: 'in conflict with how things are: taken, busy, no longer possible',
  6: 'not available: Berth cannot be reached, is not ready, or asks to come back later',
  7: 'the turn failed, or the workspace that was waited for did',
  8: 'doctor found something worth a look, and nothing that must be mended',
};

/** The table of `berth help exit-codes`. */
export function exitCodesText(): string {
  const lines = Object.entries(meanings).map(([code, meaning]) => `  ${code}  ${meaning}\n`);
  return `Exit codes of every berth command:\n\n${lines.join('')}\n"berth start" ends with the server's own code; a command that a signal ended with 128 and its number.\n`;
}

/** The exit code for an HTTP status that is no success. */
export function exitCodeOfStatus(status: number): FailureCode {
  if (status === 401 || status === 403) return exitCodes.notAllowed;
  if (status === 404 || status === 410) return exitCodes.notFound;
  if (status === 409) return exitCodes.conflict;
  if (status === 429 || status === 502 || status === 503 || status === 504) return exitCodes.unavailable;
  if (status === 400 || status === 413 || status === 422) return exitCodes.usage;
  return exitCodes.failed;
}
