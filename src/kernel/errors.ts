/**
 * The one family of errors. A room throws what happened, by code; the edge (HTTP, job, command line) decides what to do about it.
 * `message` is for people and says what to do next; `cause` is for us and never leaves the process.
 */
export const errorCodes = {
  'already-set-up': 409,
  'setup-token-invalid': 403,
  unauthenticated: 401,
  'sign-in-failed': 401,
  csrf: 403,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  'unsupported-media-type': 415,
  'malformed-json': 400,
  'bad-request': 400,
  'payload-too-large': 413,
  'headers-too-large': 431,
  'request-timeout': 408,
  'validation-failed': 422,
  'too-many-requests': 429,
  'limit-workspaces': 429,
  'limit-running': 429,
  'slug-taken': 409,
  'invitation-invalid': 403,
  'invitation-over': 410,
  'already-member': 409,
  'account-taken': 409,
  'last-owner': 409,
  'limit-budgets': 429,
  'limit-mappings': 429,
  'mapping-exists': 409,
  'budget-spent': 403,
  'no-agent-credential': 409,
  'no-git-credential': 409,
  'not-connected': 409,
  'already-connected': 409,
  'not-rotatable': 409,
  'workspace-deleting': 409,
  'workspace-failed': 409,
  'operation-not-possible': 409,
  'login-refused': 409,
  'not-cancelable': 409,
  'idempotency-key-in-use': 409,
  'idempotency-key-reused': 422,
  'runner-replaced': 401,
  'not-ready': 503,
  internal: 500,
  'config-invalid': 500,
  'key-ring-mismatch': 500,
  'encryption-key-missing': 503,
  'encryption-key-retired': 503,
  'audit-unavailable': 503,
  'data-directory-in-use': 500,
  'database-unavailable': 503,
  'redis-unavailable': 503,
  'database-newer': 503,
  'migration-mismatch': 500,
  'migration-failed': 500,
  'sandbox-unavailable': 500,
  'agent-missing': 500,
  'runtime-failed': 500,
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** One thing wrong with an input: where, as `body.user.email`, and what. */
export interface FieldError {
  path: string;
  message: string;
}

export interface BerthErrorOptions {
  cause?: unknown;
  errors?: FieldError[];
  /** Seconds until asking again makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number;
}

export class BerthError extends Error {
  override readonly name = 'BerthError';
  readonly errors: FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: BerthErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The HTTP status that belongs to the code. */
  get status(): number {
    return errorCodes[this.code];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
