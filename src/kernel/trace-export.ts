/** Where spans go: the usual OTEL_* variables, read by config, and told to the runner and the proxy. Headers may hold a secret: never in a file, an environment or a log. */
export interface TraceExport {
  /** Where OTLP/HTTP takes traces, whole. */
  url: string;
  headers: Record<string, string>;
  /** `service.name` of Berth itself; the runner's and the proxy's end in their names. */
  serviceName: string;
  resource: Record<string, string>;
  sampler: TraceSampler;
  /** For `traceidratio`: 0 to 1. */
  ratio: number;
}

export const traceSamplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type TraceSampler = (typeof traceSamplers)[number];
