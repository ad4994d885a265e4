import { createRequire } from 'node:module';
import path from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import express, { type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { BerthError } from '../kernel/index.js';
import { RefusedAttempts } from './audit/refused-attempts.js';
import { examineBody } from './body.js';
import { readDeliveries } from './deliveries-body.js';
import type { RequestLimits } from './limits/request-limits.js';
import { observeRequests, type Observers } from './observe.js';
import type { PublicUrl } from '../http/index.js';
import { ProblemFilter } from './problem.filter.js';
import type { Readiness } from './readiness.js';

/** Named in the answer to whoever exceeds it (problem.ts). Runners report up to 256 KiB at once. */
const BODY_LIMIT = '512kb';
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** What every request passes before a route: an id, a log line, safe headers, a bounded JSON body. */
export function prepareEdge(
  app: NestExpressApplication,
  options: Observers & { publicUrl: PublicUrl; readiness: Readiness; requestLimits: RequestLimits },
): void {
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('etag', false);
  app.use(observeRequests(options));
  app.use(securityHeaders(options.publicUrl));
  app.use(refuseWithoutHost);
  app.use(['/api', '/internal'], keepNoCopy);
  app.use(['/api', '/internal', '/webhooks'], refuseWhenOutdated(options.readiness));
  // Before the body is read: a refusal must cost next to nothing.
  app.use('/api', options.requestLimits.shield());
  app.use(refuseOtherThanJson);
  app.use('/webhooks', readDeliveries());
  app.use(express.json({ limit: BODY_LIMIT, strict: true, verify: examineBody }));
  const refusals = app.get(RefusedAttempts);
  app.useGlobalFilters(new ProblemFilter(options.log, (request, error) => refusals.note(request, error)));
}

/** The files of the pages that people read. */
export function serveAssets(app: NestExpressApplication): void {
  app.use('/docs/assets', express.static(swaggerAssets(), { index: false }));
}

function securityHeaders(publicUrl: PublicUrl) {
  const make = (https: boolean) =>
    helmet({
      hsts: https,
      contentSecurityPolicy: {
        directives: {
          'default-src': ["'self'"],
          'img-src': ["'self'", 'data:'],
          'upgrade-insecure-requests': https ? [] : null,
        },
      },
    });
  const [plain, secure] = [make(false), make(true)];
  return (request: Request, response: Response, next: NextFunction): void =>
    (publicUrl.origin.startsWith('https:') ? secure : plain)(request, response, next);
}

/** Answers are one caller's, and some hold a key: neither a browser nor a proxy on the way may keep them. */
function keepNoCopy(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  next();
}

function refuseWhenOutdated(readiness: Readiness) {
  return (_request: Request, _response: Response, next: NextFunction): void => {
    readiness.requireCurrent();
    next();
  };
}

/** As RFC 9112, 3.2 asks. Node would do it, without a word (edge-server.ts). */
function refuseWithoutHost(request: Request, _response: Response, next: NextFunction): void {
  const isFine = request.headers.host !== undefined || request.httpVersion !== '1.1';
  next(isFine ? undefined : new BerthError('bad-request', 'A request of HTTP/1.1 names its Host.'));
}

function refuseOtherThanJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  const isFine = !BODY_METHODS.has(request.method) || !hasBody || request.is('application/json');
  next(
    isFine
      ? undefined
      : new BerthError(
          'unsupported-media-type',
          'Send the body as JSON, with Content-Type: application/json.',
        ),
  );
}

/** Swagger UI's own files, from its npm package: nothing is fetched from elsewhere. */
function swaggerAssets(): string {
  return path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
}
