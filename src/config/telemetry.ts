import { z } from 'zod';
import { BerthError, traceSamplers, type TraceExport } from '../kernel/index.js';

const collectorUrl = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), {
  error: 'must be an absolute http:// or https:// URL',
});

/** `name=value,…`, the values percent-encoded (OpenTelemetry's specification of OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES). */
const pairs = z.string().transform((text, context): Record<string, string> => {
  const entries = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(pairOf);
  if (entries.every((entry) => entry !== null)) return Object.fromEntries(entries);
  context.addIssue({ code: 'custom', message: 'must be name=value[,name=value…], values percent-encoded' });
  return z.NEVER;
});

function pairOf(part: string): [string, string] | null {
  const at = part.indexOf('=');
  const name = part.slice(0, Math.max(at, 0)).trim();
  try {
    return /^[!#$%&'*+.^_`|~\w-]+$/.test(name) ? [name, decodeURIComponent(part.slice(at + 1).trim())] : null;
  } catch {
    return null;
  }
}

const sampler = z.enum(traceSamplers, { error: `must be one of ${traceSamplers.join(', ')}` });

const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` });

/** OpenTelemetry's usual variables, as far as Berth follows them. */
export const telemetryVariables = {
  OTEL_SDK_DISABLED: oneOf('true', 'false').default('false'),
  OTEL_TRACES_EXPORTER: oneOf('otlp', 'none').default('otlp'),
  OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collectorUrl.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: pairs.optional(),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: pairs.optional(),
  // Collectors take JSON on the same port and path as protobuf. gRPC has a port of its own, where ours would not be understood.
  OTEL_EXPORTER_OTLP_PROTOCOL: oneOf('http/json', 'http/protobuf').optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: oneOf('http/json', 'http/protobuf').optional(),
  OTEL_SERVICE_NAME: z.string().max(200).optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_SAMPLER: sampler.default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.string().optional(),
};

type TelemetryEnvironment = z.infer<z.ZodObject<typeof telemetryVariables>>;

/** Where traces go; null: nowhere, and nothing of OpenTelemetry is loaded. Throws `config-invalid`. */
export function traceExportOf(env: TelemetryEnvironment): TraceExport | null {
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base.replace(/\/+$/, '')}/v1/traces`);
  if (!url || env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return null;
  const { 'service.name': named, ...resource } = env.OTEL_RESOURCE_ATTRIBUTES ?? {};
  return {
    url,
    headers: { ...env.OTEL_EXPORTER_OTLP_HEADERS, ...env.OTEL_EXPORTER_OTLP_TRACES_HEADERS },
    serviceName: env.OTEL_SERVICE_NAME ?? named ?? 'berth',
    resource,
    sampler: env.OTEL_TRACES_SAMPLER,
    ratio: ratioOf(env.OTEL_TRACES_SAMPLER_ARG),
  };
}

function ratioOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const ratio = Number(text);
  if (text.trim() !== '' && ratio >= 0 && ratio <= 1) return ratio;
  throw new BerthError(
    'config-invalid',
    'Berth cannot start with this environment.\n  OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1',
  );
}
