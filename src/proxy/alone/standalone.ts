import type { CredentialSource, IdentitySource, ProxyAloneSettings } from '../../config/proxy-alone.js';
import { noTracer, systemIds, type Ids, type Log } from '../../kernel/index.js';
import { PrometheusMetrics } from '../../telemetry/prometheus.js';
import type { Observers } from '../call-record.js';
import { contextOf } from '../context.js';
import type { Limits } from '../limits.js';
import type { UpstreamAdapter } from '../upstreams/adapter.js';
import { upstreams } from '../upstreams/index.js';
import { Workspace, type ProxyContext } from '../workspace.js';
import { onPort, type Sentences } from './adapters.js';
import { controlPlaneOf, upstreamOfIdentity } from './control-planes.js';
import { Identity } from './identity.js';
import { LocalControlPlane } from './local-control-plane.js';
import { obtain } from './obtain.js';
import { pagesOf } from './pages.js';
import { PortServer } from './port-server.js';
import type { PortUpstream } from './port-upstream.js';
import { systemTime, type Time } from './time.js';
import { onVertex } from './vertex.js';

/** A token on its way is waited for; of one that is further away the client hears at once when to come again. No other tenant shares the process, so that its streams may be many. */
const LIMITS: Partial<Limits> = { holdSeconds: 30, maxSends: 2, maxConnections: 4096 };
/** How long calls under way may go on after the order to end; what started this process kills it after 30 s or so. */
const GRACE_MS = 20_000;

const SENTENCES: Sentences = {
  notReady: 'The token for this API is not available yet; retry shortly',
  refused: 'The API refused the token of this proxy, and a new one too. Look into the log of the proxy.',
};

export interface StandaloneOptions {
  log: Log;
  time?: Time;
  ids?: Ids;
  limits?: Partial<Limits>;
}

/** The proxy on its own: one credential of each upstream, on ports that whoever reaches them may use. */
export class Standalone {
  readonly #log: Log;
  readonly #metrics: PrometheusMetrics;
  readonly #identity: Identity | null;
  readonly #context: ProxyContext;
  readonly #workspace: Workspace;
  readonly #servers: Record<PortUpstream, PortServer>;

  constructor(
    private readonly settings: ProxyAloneSettings,
    { log, time = systemTime, ids = systemIds, limits }: StandaloneOptions,
  ) {
    const { credentials } = settings;
    this.#log = log;
    this.#metrics = new PrometheusMetrics(log, [
      'berth_proxy_request_duration_seconds',
      'berth_proxy_held_seconds',
      'berth_proxy_resends_total',
      'berth_credential_renewals_total',
      'berth_credential_renewal_duration_seconds',
    ]);
    this.#identity = credentials.from === 'identity' ? this.#identityOf(credentials, time) : null;
    const { upstreams: urls, bedrockModels } = settings;
    this.#context = contextOf(
      {
        ...urls,
        bedrockModels,
        passesRefusals: credentials.from === 'keys',
        log,
        clock: time,
        ids,
        limits: { ...LIMITS, ...limits },
        observers: this.#observers(),
      },
      (base) => controlPlaneOf(credentials, this.#identity, base),
    );
    const workspaceId = ids.next();
    this.#workspace = new Workspace(
      { workspaceId, placeholder: null, proxyToken: '', git: null },
      this.#context,
    );
    this.#servers = { anthropic: this.#server('anthropic'), openai: this.#server('openai') };
  }

  /** As they are once they are open; what was asked for may be 0, any that is free. */
  get ports(): Record<PortUpstream, number> {
    return { anthropic: this.#servers.anthropic.port, openai: this.#servers.openai.port };
  }

  /** Opens the ports, and gets the first token from then on. Rejects when a port is taken. */
  async listen(): Promise<void> {
    const { host, ports, credentials, unused } = this.settings;
    await this.#servers.openai.listen(host, ports.openai);
    await this.#servers.anthropic.listen(host, ports.anthropic);
    this.#log.info({ host, ports: this.ports, credentials: credentials.from }, 'the proxy listens');
    if (unused.length > 0) {
      this.#log.warn(
        { unused },
        'set and never used, since another variable says where credentials come from',
      );
    }
    this.#identity?.start();
  }

  /** Takes no new connections, lets calls under way end within a bounded time, and lets go of everything. */
  async close(graceMilliseconds = GRACE_MS): Promise<void> {
    await Promise.all(Object.values(this.#servers).map((server) => server.close(graceMilliseconds)));
    this.#identity?.close();
    await this.#workspace.close();
    await this.#context.pools.destroy();
  }

  #identityOf(source: IdentitySource, time: Time): Identity {
    const kind = KINDS[source.provider];
    const credentialId = LocalControlPlane.idOf(upstreamOfIdentity[source.provider]);
    return new Identity({
      obtain: () => obtain(source, time),
      renewed: () => this.#workspace.leases.forget(credentialId),
      measured: (outcome, seconds) => {
        this.#metrics.count('berth_credential_renewals_total', { kind, outcome: OUTCOMES[outcome] });
        this.#metrics.observe('berth_credential_renewal_duration_seconds', { kind }, seconds);
      },
      time,
      log: this.#log,
    });
  }

  #observers(): Observers {
    const metrics = this.#metrics;
    return {
      tracer: noTracer,
      measured: ({ upstream, statusClass, seconds }) => {
        const labels = { upstream, status_class: statusClass };
        metrics.observe('berth_proxy_request_duration_seconds', labels, seconds);
      },
      held: ({ upstream, outcome, seconds, resends }) => {
        metrics.observe('berth_proxy_held_seconds', { upstream, outcome }, seconds);
        if (resends > 0) metrics.count('berth_proxy_resends_total', { upstream }, resends);
      },
      tunnel: () => undefined,
    };
  }

  #server(upstream: PortUpstream): PortServer {
    const { credentials, host } = this.settings;
    const isConfigured = configuredIn(credentials);
    return new PortServer({
      workspace: this.#workspace,
      // A Berth has sentences of its own.
      adapter: onPort(
        adapterFor(upstream, credentials),
        () => this.ports[upstream],
        credentials.from === 'berth' ? null : SENTENCES,
      ),
      isConfigured: isConfigured[upstream],
      pages: pagesOf(upstream, {
        host,
        ports: () => this.ports,
        isConfigured,
        trouble: (each) =>
          isConfigured[each] ? (this.#identity?.trouble ?? null) : 'No credential for this API is configured',
        metrics: this.#metrics,
      }),
    });
  }
}

/** As the metrics of renewals name them. */
const KINDS = {
  anthropic: 'anthropic_wif',
  aws: 'aws_bedrock',
  azure: 'azure_openai',
  gcp: 'gcp_vertex',
} as const;
const OUTCOMES = { obtained: 'succeeded', denied: 'rejected', failed: 'failed' } as const;

function adapterFor(upstream: PortUpstream, credentials: CredentialSource): UpstreamAdapter {
  const isVertex = credentials.from === 'identity' && credentials.provider === 'gcp';
  return isVertex && upstream === 'anthropic'
    ? onVertex(upstreams.anthropic, credentials.place)
    : upstreams[upstream];
}

function configuredIn(credentials: CredentialSource): Record<PortUpstream, boolean> {
  switch (credentials.from) {
    case 'berth':
      return { anthropic: true, openai: true };
    case 'identity': {
      const upstream = upstreamOfIdentity[credentials.provider];
      return { anthropic: upstream === 'anthropic', openai: upstream === 'openai' };
    }
    case 'keys':
      return { anthropic: credentials.anthropic !== null, openai: credentials.openai !== null };
  }
}
