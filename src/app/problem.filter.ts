import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { messageOf, type BerthError, type Log } from '../kernel/index.js';
import { KeptProblem } from './idempotency/kept-problem.js';
import { errorPage } from './pages.js';
import { problemOf, toBerthError, writtenProblem, type WrittenProblem } from './problem.js';
import { requestIdOf } from './request-id.js';

/** Turns whatever was thrown into RFC 9457 problem+json. What we did not foresee is told to the log with its cause, and to the caller with the request id only. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** `refused` hears of every refusal, before it is answered; it must not throw. */
  constructor(
    private readonly log: Log,
    private readonly refused: (request: Request, error: BerthError) => void = () => undefined,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    if (thrown instanceof KeptProblem) {
      write(response, thrown.answer);
      return;
    }
    const error = toBerthError(thrown);
    if (error.status >= 500) {
      const cause = error.cause ?? thrown;
      const stack = cause instanceof Error ? cause.stack : undefined;
      this.log.error(
        { requestId: requestIdOf(request), code: error.code, reason: messageOf(cause), stack },
        'a request failed',
      );
    }
    this.refused(request, error);
    if (response.headersSent) {
      // A stream has begun: there is no status left to give, only an end that cannot be taken for a good one.
      response.destroy();
      return;
    }
    const requestId = requestIdOf(request);
    const written = writtenProblem(error, requestId);
    write(
      response,
      isForReading(request) ? asPage(written, errorPage(problemOf(error, requestId))) : written,
    );
  }
}

function write(response: Response, { status, headers, body }: WrittenProblem): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.status(status).send(body);
}

/** A person with a browser: who opens an address asks for HTML first. Scripts, also those of a page, ask for JSON or for anything. */
function isForReading(request: Request): boolean {
  if (request.method !== 'GET') return false;
  return request.accepts(['application/json', 'text/html']) === 'text/html';
}

function asPage({ status, headers }: WrittenProblem, body: string): WrittenProblem {
  return { status, headers: { ...headers, 'content-type': 'text/html; charset=utf-8' }, body };
}
