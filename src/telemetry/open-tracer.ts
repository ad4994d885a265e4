import type { Log } from '../kernel/log.js';
import type { TraceExport } from '../kernel/trace-export.js';
import { noTracer, type Tracer } from '../kernel/tracer.js';
import type { Program } from './otlp-tracer.js';

export interface OpenTracer {
  tracer: Tracer;
  /** Sends what is left, for two seconds at most. */
  close: () => Promise<void>;
}

/** The tracer of a process. Without an address to export to, OpenTelemetry's packages are not even loaded: they cost about 17 MB in every process (measured). */
export async function openTracer(
  settings: TraceExport | null | undefined,
  program: Program,
  log: Log,
): Promise<OpenTracer> {
  if (!settings) return { tracer: noTracer, close: () => Promise.resolve() };
  const { OtlpTracer } = await import('./otlp-tracer.js');
  const tracer = new OtlpTracer(settings, program, log);
  return { tracer, close: () => tracer.close() };
}
