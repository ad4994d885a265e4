import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { readBody } from './answers.js';

/** A span as it was exported, with times in milliseconds since the epoch. */
export interface CollectedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  name: string;
  kind: string;
  /** `service.name` of the process that made it. */
  service: string;
  startMs: number;
  endMs: number;
  attributes: Record<string, string | number | boolean>;
  marks: { name: string; atMs: number }[];
  failed: boolean;
}

export interface CollectorEmulator {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** Every body as it was received, to look for what must not be there. */
  readonly bodies: readonly string[];
  /** How many requests came without the header that is asked for. */
  readonly refused: number;
  /** From now on answers with this status, as a collector in trouble does; 200 is well again. */
  answerWith(status: number): void;
  reset(): void;
  close(): Promise<void>;
}

// The JSON encoding of OTLP (opentelemetry-proto, trace/v1): ids in hex, times as text in nanoseconds.
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ boolValue: z.boolean() }),
  z.strictObject({ intValue: z.union([z.number(), z.string()]) }),
  z.strictObject({ doubleValue: z.number() }),
  z.strictObject({ arrayValue: z.unknown() }),
]);
const attributes = z.array(z.object({ key: z.string(), value })).default([]);
const span = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes,
  events: z.array(z.object({ name: z.string(), timeUnixNano: z.string() })).default([]),
  status: z.object({ code: z.number().optional() }).optional(),
});
const exportSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const ERROR = 2;

/** Takes traces as an OpenTelemetry collector does over OTLP/HTTP in JSON, and keeps them. `header`: what each request must bring, as collectors of vendors ask for a key. */
export async function startCollectorEmulator({
  port = 0,
  header,
}: { port?: number; header?: { name: string; value: string } } = {}): Promise<CollectorEmulator> {
  const state = { spans: [] as CollectedSpan[], bodies: [] as string[], refused: 0, status: 200 };
  const server = createServer((request, response) => void serve(request, response));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const { status, text } = take(request, body);
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  }

  function take(request: IncomingMessage, body: string): { status: number; text: string } {
    if (request.method !== 'POST' || request.url !== '/v1/traces') return { status: 404, text: '{}' };
    if (header && request.headers[header.name] !== header.value) {
      state.refused += 1;
      return { status: 401, text: '{}' };
    }
    if (state.status !== 200) return { status: state.status, text: '{}' };
    const parsed = exportSchema.safeParse(JSON.parse(body));
    if (!parsed.success) return { status: 400, text: parsed.error.message };
    state.bodies.push(body);
    state.spans.push(...spansOf(parsed.data));
    return { status: 200, text: '{"partialSuccess":{}}' };
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get spans() {
      return state.spans;
    },
    get bodies() {
      return state.bodies;
    },
    get refused() {
      return state.refused;
    },
    answerWith: (status) => void (state.status = status),
    reset: () => void Object.assign(state, { spans: [], bodies: [], refused: 0 }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function spansOf(exported: z.infer<typeof exportSchema>): CollectedSpan[] {
  return exported.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(plain(resource.attributes)['service.name'] ?? '');
    return scopeSpans.flatMap(({ spans }) => spans.map((each) => collected(each, service)));
  });
}

function collected(each: z.infer<typeof span>, service: string): CollectedSpan {
  return {
    traceId: each.traceId,
    spanId: each.spanId,
    parentSpanId: each.parentSpanId ?? null,
    name: each.name,
    kind: KINDS[each.kind] ?? 'unspecified',
    service,
    startMs: milliseconds(each.startTimeUnixNano),
    endMs: milliseconds(each.endTimeUnixNano),
    attributes: plain(each.attributes),
    marks: each.events.map(({ name, timeUnixNano }) => ({ name, atMs: milliseconds(timeUnixNano) })),
    failed: each.status?.code === ERROR,
  };
}

function plain(list: z.infer<typeof attributes>): CollectedSpan['attributes'] {
  return Object.fromEntries(
    list.map(({ key, value: given }): [string, string | number | boolean] => {
      if ('stringValue' in given) return [key, given.stringValue];
      if ('boolValue' in given) return [key, given.boolValue];
      if ('intValue' in given) return [key, Number(given.intValue)];
      return [key, 'doubleValue' in given ? given.doubleValue : '…'];
    }),
  );
}

/** Nanoseconds as text do not fit into a number; microseconds do. */
function milliseconds(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1000n) / 1000;
}
