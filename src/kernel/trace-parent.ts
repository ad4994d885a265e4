/** Version 00 has exactly four fields; a later version may go on after them, and is read as far as we know it (W3C Trace Context, section 4). */
const TRACE_PARENT =
  /^(?:00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})|(?!ff|00)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.{0,512})?)$/;
const ZEROS = /^0+$/;

export interface TraceContext {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  sampled: boolean;
}

/** Reads a W3C `traceparent`; null for anything that is none: a caller's header is a text like any other. */
export function parseTraceParent(text: string | undefined | null): TraceContext | null {
  const match = TRACE_PARENT.exec(text ?? '');
  if (!match) return null;
  const traceId = match[1] ?? match[4] ?? '';
  const spanId = match[2] ?? match[5] ?? '';
  const flags = match[3] ?? match[6] ?? '0';
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  return { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceParent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

export function traceIdOf(traceParent: string): string | null {
  return parseTraceParent(traceParent)?.traceId ?? null;
}

/**
 * The id of the span in which an attempt's agent runs: the random half of the attempt's UUID. So the proxy can put model calls below it although it never hears of the
 * runner's spans.
 */
export function agentSpanId(attemptId: string): string {
  return attemptId.replaceAll('-', '').slice(-16);
}
