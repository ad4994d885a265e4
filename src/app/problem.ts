import { HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import type { Problem } from '../contracts/index.js';
import { isUnavailable, retiredKeyOf } from '../database/index.js';
import { BerthError, type ErrorCode } from '../kernel/index.js';

/** A problem as it goes out (RFC 9457). */
export interface WrittenProblem {
  status: number;
  headers: Record<string, string | string[]>;
  body: string;
}

/** The answer to whatever was thrown. The same for the same request, however often it is asked for. */
export function writtenProblem(error: BerthError, requestId: string | undefined): WrittenProblem {
  const { code, retryAfterSeconds } = error;
  return {
    status: error.status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
      ...(code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="Berth"' } : {}),
    },
    body: JSON.stringify(problemOf(error, requestId)),
  };
}

export function problemOf(error: BerthError, requestId: string | undefined): Problem {
  return {
    type: `urn:berth:problem:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    code: error.code,
    detail: error.message,
    ...(requestId ? { requestId } : {}),
    ...(error.errors ? { errors: error.errors } : {}),
  };
}

/** What body-parser and Nest throw, as ours. */
const foreign: Record<string, [ErrorCode, string]> = {
  'entity.parse.failed': ['malformed-json', 'The body is not valid JSON.'],
  'body.not-utf-8': ['malformed-json', 'The body is not valid UTF-8, in which JSON is written.'],
  'body.too-deep': [
    'malformed-json',
    'The body is nested more than 64 levels deep, the limit of this server.',
  ],
  'entity.too.large': ['payload-too-large', 'The body is larger than 512 KiB, the limit of this server.'],
  'encoding.unsupported': ['unsupported-media-type', 'Send the body without this content encoding.'],
  'charset.unsupported': ['unsupported-media-type', 'Send the body in UTF-8.'],
  'request.aborted': ['bad-request', 'The request ended before its body did.'],
  'request.size.invalid': ['bad-request', 'The body is not as long as its Content-Length says.'],
};

const byStatus: Partial<Record<number, [ErrorCode, string]>> = {
  404: ['not-found', 'There is nothing at this address. /docs lists what there is.'],
  405: ['method-not-allowed', 'This address does not know that method. /docs lists what there is.'],
  406: ['not-acceptable', 'There is no answer of the type that was asked for.'],
  413: ['payload-too-large', 'The request is too large.'],
  415: ['unsupported-media-type', 'Send the body as JSON, with Content-Type: application/json.'],
};
const badRequest: [ErrorCode, string] = ['bad-request', 'The request could not be understood.'];

/** What was thrown, in our words. */
export function toBerthError(thrown: unknown): BerthError {
  if (thrown instanceof BerthError) return thrown;
  if (isUnavailable(thrown)) {
    const advice = 'The database does not answer at the moment. Try again soon.';
    return new BerthError('database-unavailable', advice, { cause: thrown, retryAfterSeconds: 5 });
  }
  const retired = retiredKeyOf(thrown);
  if (retired !== null) {
    const advice = `The Berth that answered still seals with the encryption key ${retired}, which was retired. Give it the key ring that the others have (BERTH_ENCRYPTION_KEYS).`;
    return new BerthError('encryption-key-retired', advice, { cause: thrown, retryAfterSeconds: 30 });
  }
  const known = foreign[typeOf(thrown)] ?? ofStatus(thrown);
  if (known) return new BerthError(known[0], known[1], { cause: thrown });
  return new BerthError(
    'internal',
    'Something went wrong on our side. Quote the request id when you ask for help; the log has the cause.',
    { cause: thrown },
  );
}

/** The name that body-parser gives its errors. Nest hands them on inside an exception of its own, as its cause. */
function typeOf(thrown: unknown): string {
  const original = thrown instanceof HttpException ? thrown.cause : thrown;
  const { type } = (original ?? {}) as { type?: unknown };
  return typeof type === 'string' ? type : '';
}

/** Whatever carries a status of 4xx is the caller's doing (a URIError of a path that is not encoded, for example). */
function ofStatus(thrown: unknown): [ErrorCode, string] | undefined {
  // Anything can be thrown, also nothing.
  const { status } = (thrown ?? {}) as { status?: unknown };
  const number = thrown instanceof HttpException ? thrown.getStatus() : status;
  if (typeof number !== 'number' || number < 400 || number >= 500) return undefined;
  return byStatus[number] ?? badRequest;
}
