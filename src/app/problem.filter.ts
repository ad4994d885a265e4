import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { STATUS_CODES } from 'node:http';
import type { Problem } from '../contracts/index.js';
import { isUnavailable } from '../database/index.js';
import { BerthError, messageOf, type ErrorCode, type Log } from '../kernel/index.js';
import { requestIdOf } from './request-id.js';

/** Turns whatever was thrown into RFC 9457 problem+json. What we did not foresee is told to the log with its cause, and to the caller with the request id only. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const error = toBerthError(thrown);
    if (error.status >= 500) {
      const cause = error.cause ?? thrown;
      const stack = cause instanceof Error ? cause.stack : undefined;
      this.log.error(
        { requestId: requestIdOf(request), code: error.code, reason: messageOf(cause), stack },
        'a request failed',
      );
    }
    if (response.headersSent) {
      // A stream has begun: there is no status left to give, only an end that cannot be taken for a good one.
      response.destroy();
      return;
    }
    if (error.retryAfterSeconds !== undefined)
      response.setHeader('retry-after', String(error.retryAfterSeconds));
    if (error.code === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer realm="Berth"');
    response
      .status(error.status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(error, requestIdOf(request))));
  }
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

function toBerthError(thrown: unknown): BerthError {
  if (thrown instanceof BerthError) return thrown;
  if (isUnavailable(thrown)) {
    const advice = 'The database does not answer at the moment. Try again soon.';
    return new BerthError('database-unavailable', advice, { cause: thrown, retryAfterSeconds: 5 });
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
