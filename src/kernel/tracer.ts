import { currentCause, forCause } from './cause.js';

/** What a span says of itself. Never a prompt, a secret, a token or a name of a person: whoever runs the collector reads it. */
export type SpanAttributes = Record<string, string | number | boolean>;

export interface SpanOptions {
  /** `server`: somebody's request is answered; `client`: another process is waited for. */
  kind?: 'internal' | 'server' | 'client';
  /** `traceparent` of the span above; by default that of the current cause. */
  parent?: string | null;
  attributes?: SpanAttributes;
  /** Instead of a random one: 16 hex digits. */
  spanId?: string;
}

/** One piece of work, from its begin to its end. */
export interface Span {
  /** For what happens below this span; null when there is no trace. */
  readonly traceParent: string | null;
  rename(name: string): void;
  set(attributes: SpanAttributes): void;
  /** A moment inside the span. */
  mark(name: string): void;
  /** It went wrong: a code, never a message, since messages may quote what they are about. */
  fail(code: string): void;
  /** `at`: epoch milliseconds; now by default. */
  end(at?: number): void;
}

/** Makes spans. Rooms, runner and proxy know this port alone; what exports them is in src/telemetry. */
export interface Tracer {
  begin(name: string, options?: SpanOptions): Span;
}

const ignore = (): void => undefined;

/** Makes no spans. What comes from outside is passed on as it came, so that whoever exports further down still finds its place. */
export const noTracer: Tracer = {
  begin: (_name, { parent } = {}) => ({
    traceParent: parent === undefined ? currentCause().traceParent : parent,
    rename: ignore,
    set: ignore,
    mark: ignore,
    fail: ignore,
    end: ignore,
  }),
};

/** Runs `work` inside a span: what it does is below it, and what it throws is its failure. */
export async function inSpan<T>(
  tracer: Tracer,
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = tracer.begin(name, options);
  try {
    return await forCause({ ...currentCause(), traceParent: span.traceParent }, () => work(span));
  } catch (error) {
    span.fail(codeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

/** For work that is worth a trace only when somebody asked for it: what Berth does by itself, all day long, would fill the collector with traces of nothing. */
export function whenAsked(tracer: Tracer): Tracer {
  return currentCause().traceParent === null ? noTracer : tracer;
}

/** The code of what was thrown, else the name of its class. */
export function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : 'unknown';
}
