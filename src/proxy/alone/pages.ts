import type { PrometheusMetrics } from '../../telemetry/prometheus.js';
import type { Pages } from './port-server.js';
import { portUpstreamSchema, type PortUpstream } from './port-upstream.js';

/** What the pages tell of this process. */
export interface Status {
  host: string;
  ports(): Record<PortUpstream, number>;
  isConfigured: Record<PortUpstream, boolean>;
  /** Why model calls of this upstream cannot be sent now; null when they can. */
  trouble(upstream: PortUpstream): string | null;
  metrics: PrometheusMetrics;
}

/** The pages of one port, in the shapes of GitHub's sidecar (providers.md 2.6). The OpenAI port speaks for the whole process, and its health is that it runs. */
export function pagesOf(upstream: PortUpstream, status: Status): Pages {
  const { host, isConfigured, metrics } = status;
  return {
    health: () => (upstream === 'openai' ? processHealth(status) : portHealth(upstream, status)),
    reflect: () => ({
      endpoints: portUpstreamSchema.options.map((provider) => ({
        provider,
        port: status.ports()[provider],
        base_url: `http://${host}:${status.ports()[provider]}`,
        configured: isConfigured[provider],
      })),
    }),
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.text() }),
  };
}

function processHealth(status: Status): { status: number; body: object } {
  const providers = Object.fromEntries(
    portUpstreamSchema.options.map((each) => [each, status.trouble(each) === null]),
  );
  return { status: 200, body: { status: 'healthy', service: 'awf-api-proxy', providers } };
}

function portHealth(upstream: PortUpstream, status: Status): { status: number; body: object } {
  const service = `awf-api-proxy-${upstream}`;
  const error = status.trouble(upstream);
  return error === null
    ? { status: 200, body: { status: 'healthy', service } }
    : { status: 503, body: { status: 'unavailable', service, error } };
}
