import {
  SpanKind,
  SpanStatusCode,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
  type IdGenerator,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import { currentCause } from '../kernel/cause.js';
import type { Log } from '../kernel/log.js';
import { formatTraceParent, parseTraceParent } from '../kernel/trace-parent.js';
import type { TraceExport } from '../kernel/trace-export.js';
import type { Span, SpanAttributes, SpanOptions, Tracer } from '../kernel/tracer.js';

/** Which of Berth's programs makes the spans; part of their `service.name`. */
export type Program = 'berth' | 'runner' | 'proxy';

const EXPORT_EVERY_MS = 1000;
const EXPORT_TIMEOUT_MS = 10_000;
const CLOSE_WAIT_MS = 2000;
/** Spans that wait while the collector is away; later ones are dropped. About a megabyte. */
const MAX_QUEUE = 2048;

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT };

/** Spans by OpenTelemetry's SDK, sent as OTLP/HTTP. The context is ours (kernel/cause.ts), so nothing global of the SDK is touched, and several may live in one process. */
export class OtlpTracer implements Tracer {
  readonly #ids = new Ids();
  readonly #provider: BasicTracerProvider;
  readonly #tracer: OtelTracer;

  constructor(settings: TraceExport, program: Program, log: Log) {
    const { url, headers, serviceName, resource } = settings;
    const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: EXPORT_TIMEOUT_MS });
    const name = program === 'berth' ? serviceName : `${serviceName}-${program}`;
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ ...resource, 'service.name': name, 'process.pid': process.pid }),
      sampler: samplerOf(settings),
      idGenerator: this.#ids,
      spanProcessors: [
        new BatchSpanProcessor(new ToldExporter(exporter, log), {
          scheduledDelayMillis: EXPORT_EVERY_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
          maxQueueSize: MAX_QUEUE,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('berth');
  }

  begin(name: string, options: SpanOptions = {}): Span {
    const { parent = currentCause().traceParent, kind = 'internal', attributes = {}, spanId } = options;
    const above = parseTraceParent(parent);
    const context = above
      ? trace.setSpanContext(ROOT_CONTEXT, {
          traceId: above.traceId,
          spanId: above.spanId,
          traceFlags: above.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
          isRemote: true,
        })
      : ROOT_CONTEXT;
    // The SDK asks for the id at once, so that nobody else can get it.
    this.#ids.next = spanId ?? null;
    const span = this.#tracer.startSpan(name, { kind: kinds[kind], attributes }, context);
    this.#ids.next = null;
    return new OtlpSpan(span);
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_WAIT_MS)));
    await Promise.race([this.#provider.shutdown().catch(() => undefined), limit]);
    clearTimeout(timer);
  }
}

class OtlpSpan implements Span {
  readonly traceParent: string;

  constructor(private readonly span: OtelSpan) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceParent = formatTraceParent({
      traceId,
      spanId,
      sampled: (traceFlags & TraceFlags.SAMPLED) !== 0,
    });
  }

  rename(name: string): void {
    this.span.updateName(name);
  }

  set(attributes: SpanAttributes): void {
    this.span.setAttributes(attributes);
  }

  mark(name: string): void {
    this.span.addEvent(name);
  }

  fail(code: string): void {
    this.span.setAttribute('error.type', code);
    this.span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(at?: number): void {
    this.span.end(at);
  }
}

/** Random ids, but for a span whose id others must be able to name beforehand. */
class Ids implements IdGenerator {
  next: string | null = null;
  readonly #random = new RandomIdGenerator();

  generateTraceId(): string {
    return this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.next ?? this.#random.generateSpanId();
  }
}

/** Says in the log that the collector cannot be reached, once, and that it can again. Never what was sent or where to: an address may hold a key. */
class ToldExporter implements SpanExporter {
  #failing = false;

  constructor(
    private readonly exporter: SpanExporter,
    private readonly log: Log,
  ) {}

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.exporter.export(spans, (result) => {
      const failed = result.error !== undefined;
      if (failed !== this.#failing) {
        if (failed) this.log.warn({ reason: result.error?.name }, 'traces cannot be exported');
        else this.log.info({}, 'traces are exported again');
      }
      this.#failing = failed;
      done(result);
    });
  }

  forceFlush(): Promise<void> {
    return this.exporter.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}

function samplerOf({ sampler, ratio }: TraceExport): Sampler {
  const root = rootSamplerOf(sampler, ratio);
  return sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

function rootSamplerOf(sampler: string, ratio: number): Sampler {
  if (sampler.endsWith('traceidratio')) return new TraceIdRatioBasedSampler(ratio);
  return sampler.endsWith('always_off') ? new AlwaysOffSampler() : new AlwaysOnSampler();
}
