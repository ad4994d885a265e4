import type { NextFunction, Request, Response } from 'express';
import {
  causeFields,
  forCause,
  formatTraceParent,
  noTracer,
  parseTraceParent,
  type Cause,
  type Ids,
  type Log,
  type Metrics,
  type Span,
  type Tracer,
} from '../kernel/index.js';
import { giveRequestId } from './request-id.js';

export interface Observers {
  ids: Ids;
  log: Log;
  metrics: Metrics;
  tracer: Tracer;
}

/** Also as metrics show it: one word for all methods that no route has. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const PROBES = new Set(['/healthz', '/readyz', '/metrics']);
/** What a gateway in front of us may call the request: kept beside our own id, if it is a plain word. */
const CALLERS_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Gives each request its id, its span and its cause; and when it has ended, counts it and writes its line in the log. */
export function observeRequests({ ids, log, metrics, tracer }: Observers) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const requestId = ids.next();
    giveRequestId(request, requestId);
    response.setHeader('x-request-id', requestId);
    const startedAt = performance.now();
    const span = spanOf(request, tracer);
    const cause = { requestId, traceParent: span.traceParent };
    response.on('close', () => {
      const seconds = (performance.now() - startedAt) / 1000;
      const route = routeOf(request);
      endSpan(span, request, response, route);
      count(metrics, request, response, route, seconds);
      writeLine(log, request, response, cause, Math.round(seconds * 1000));
    });
    forCause(cause, () => next());
  };
}

/** The template of the route, as the contracts write it: never the path itself, which holds ids. */
function routeOf(request: Request): string {
  const { path } = (request.route ?? {}) as { path?: unknown };
  return typeof path === 'string' ? path.replace(/:(\w+)/g, '{$1}') : 'unmatched';
}

/** A caller's `traceparent` is honored. Without one, machines' polls and probes are not worth a trace. */
function spanOf(request: Request, tracer: Tracer): Span {
  const given = parseTraceParent(request.get('traceparent'));
  const parent = given && formatTraceParent(given);
  const isRoutine = PROBES.has(request.path) || request.path.startsWith('/internal/');
  const attributes = { 'http.request.method': methodOf(request) };
  return (parent === null && isRoutine ? noTracer : tracer).begin(methodOf(request), {
    kind: 'server',
    parent,
    attributes,
  });
}

function endSpan(span: Span, request: Request, response: Response, route: string): void {
  span.rename(`${methodOf(request)} ${route}`);
  span.set({ 'http.route': route, 'http.response.status_code': response.statusCode });
  if (response.statusCode >= 500) span.fail(String(response.statusCode));
  span.end();
}

function count(metrics: Metrics, request: Request, response: Response, route: string, seconds: number): void {
  const method = methodOf(request);
  metrics.count('berth_http_requests_total', { method, route, status: String(response.statusCode) });
  // An event stream lasts as long as its reader likes, which says nothing about us.
  const isStream = String(response.getHeader('content-type')).startsWith('text/event-stream');
  if (!isStream) metrics.observe('berth_http_request_duration_seconds', { method, route }, seconds);
}

function writeLine(log: Log, request: Request, response: Response, cause: Cause, ms: number): void {
  const callers = request.get('x-request-id') ?? '';
  // The path without its query, which may hold a token; no body ever, and of the headers the one.
  const fields = {
    ...causeFields(cause),
    ...(CALLERS_ID.test(callers) ? { callersRequestId: callers } : {}),
    method: request.method,
    // A personal link is good for whoever has it.
    path: request.path.startsWith('/connect/') ? routeOf(request) : request.path,
    status: response.statusCode,
  };
  // Machines ask all day long; their calls are of interest when they fail.
  const isRoutine =
    response.statusCode < 400 && (PROBES.has(request.path) || request.path.startsWith('/internal/'));
  log[isRoutine ? 'debug' : 'info']({ ...fields, ms, complete: response.writableFinished }, 'request');
}

function methodOf({ method }: Request): string {
  return METHODS.has(method) ? method : 'other';
}
