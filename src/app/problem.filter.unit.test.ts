import { BadRequestException, HttpException, NotFoundException, type ArgumentsHost } from '@nestjs/common';
import type { Problem } from '../contracts/index.js';
import { problemSchema } from '../contracts/index.js';
import { BerthError } from '../kernel/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';
import { ProblemFilter } from './problem.filter.js';
import { problemOf } from './problem.js';
import { giveRequestId } from './request-id.js';

/** What the filter answers and logs about something thrown. */
function answerTo(thrown: unknown, { headersSent = false, accepts = 'application/json' } = {}) {
  const log = new RecordingLog();
  const answer = { status: 0, headers: {} as Record<string, string>, body: '', destroyed: false };
  const response = {
    headersSent,
    setHeader: (name: string, value: string) => void (answer.headers[name] = value),
    status: (status: number) => ((answer.status = status), response),
    send: (body: string) => void (answer.body = body),
    destroy: () => void (answer.destroyed = true),
  };
  const request = { method: 'GET', accepts: () => accepts };
  giveRequestId(request as never, 'request-1');
  const http = { getRequest: () => request, getResponse: () => response };
  new ProblemFilter(log).catch(thrown, { switchToHttp: () => http } as unknown as ArgumentsHost);
  return {
    ...answer,
    problem: answer.body.startsWith('{') ? (JSON.parse(answer.body) as Problem) : null,
    log,
  };
}

const parserError = (type: string, status: number): Error =>
  Object.assign(new Error('secret detail'), { type, status });

const wrapped = (type: string, status: number): HttpException =>
  new HttpException('secret detail', status, { cause: parserError(type, status) });

describe('ProblemFilter', () => {
  it.each<[string, unknown, number, string]>([
    ['ours', new BerthError('slug-taken', 'The slug is taken.'), 409, 'slug-taken'],
    ['broken JSON', parserError('entity.parse.failed', 400), 400, 'malformed-json'],
    ['a large body', parserError('entity.too.large', 413), 413, 'payload-too-large'],
    ['an unknown encoding', parserError('encoding.unsupported', 415), 415, 'unsupported-media-type'],
    ['an unknown charset', parserError('charset.unsupported', 415), 415, 'unsupported-media-type'],
    ['a body that ended early', parserError('request.aborted', 400), 400, 'bad-request'],
    ['a body of another size', parserError('request.size.invalid', 400), 400, 'bad-request'],
    // As Nest hands it on.
    ['broken JSON, wrapped', wrapped('entity.parse.failed', 400), 400, 'malformed-json'],
    ['a large body, wrapped', wrapped('entity.too.large', 413), 413, 'payload-too-large'],
    ['an unknown encoding, wrapped', wrapped('encoding.unsupported', 415), 415, 'unsupported-media-type'],
    ['a range that is none', Object.assign(new Error('secret detail'), { status: 416 }), 400, 'bad-request'],
    [
      'an error of the server with a status',
      Object.assign(new Error('secret detail'), { status: 503 }),
      500,
      'internal',
    ],
    ['an unknown route', new NotFoundException('Cannot GET /x'), 404, 'not-found'],
    ["Nest's bad request", new BadRequestException(), 400, 'bad-request'],
    [
      'a path that is not encoded',
      Object.assign(new URIError('secret detail'), { status: 400 }),
      400,
      'bad-request',
    ],
    ['a bug', new TypeError('secret detail'), 500, 'internal'],
    ['no error at all', 'secret detail', 500, 'internal'],
    ['nothing', undefined, 500, 'internal'],
    ['null', null, 500, 'internal'],
  ])('makes a problem of %s', (_, thrown, status, code) => {
    const { problem, body, ...answer } = answerTo(thrown);
    expect(answer).toMatchObject({
      status,
      headers: { 'content-type': 'application/problem+json; charset=utf-8' },
    });
    expect(problem).toMatchObject({ status, code, requestId: 'request-1' });
    expect(problemSchema.parse(problem)).toEqual(problem);
    expect(body).not.toContain('secret detail');
    expect(body).not.toContain('Cannot GET');
  });

  it('tells the log what it does not tell the caller, and only when it is our fault', () => {
    const { log, body } = answerTo(
      new BerthError('internal', 'Sorry.', { cause: new Error('the real reason') }),
    );
    expect(log.lines).toMatchObject([
      { level: 'error', fields: { code: 'internal', reason: 'the real reason', requestId: 'request-1' } },
    ]);
    expect(body).not.toContain('real reason');
    expect(answerTo(new BerthError('not-found', 'gone')).log.lines).toEqual([]);
  });

  it('names the limit that was exceeded', () => {
    expect(answerTo(parserError('entity.too.large', 413)).problem?.detail).toContain('512 KiB');
  });

  it('sends the headers that belong to a code', () => {
    const headersOf = (error: BerthError): Record<string, string> => {
      const { 'content-type': _, ...headers } = answerTo(error).headers;
      return headers;
    };
    expect(headersOf(new BerthError('unauthenticated', 'Sign in.'))).toEqual({
      'www-authenticate': 'Bearer realm="Berth"',
    });
    expect(headersOf(new BerthError('too-many-requests', 'Later.', { retryAfterSeconds: 7 }))).toEqual({
      'retry-after': '7',
    });
    expect(headersOf(new BerthError('not-ready', 'Now.', { retryAfterSeconds: 0 }))).toEqual({
      'retry-after': '0',
    });
  });

  it('cuts a stream that has begun, since its end could be taken for a good one', () => {
    expect(answerTo(new Error('broken'), { headersSent: true })).toMatchObject({
      destroyed: true,
      body: '',
      status: 0,
    });
  });

  it('writes a problem without what is not there', () => {
    expect(Object.keys(problemOf(new BerthError('slug-taken', 'x'), undefined))).toEqual([
      'type',
      'title',
      'status',
      'code',
      'detail',
    ]);
  });

  it('shows a page to a browser, with the id to quote and nothing of the cause', () => {
    const answer = answerTo(new Error('secret <detail>'), { accepts: 'text/html' });
    expect(answer).toMatchObject({ status: 500, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(answer.body).toContain('<code>request-1</code>');
    expect(answer.body).not.toContain('secret');
  });

  it('writes nothing into a page that could be taken for a tag', () => {
    const { body } = answerTo(new BerthError('not-found', '<script>alert(1)</script>'), {
      accepts: 'text/html',
    });
    expect(body).toContain('&lt;script&gt;');
    expect(body).not.toContain('<script>');
  });
});
