import {
  leaseRequestSchema,
  proxyPaths,
  type Lease,
  type LeaseSecret,
  type ProxyReportItem,
  type ProxyReportRequest,
} from '../../contracts/proxy.js';
import type { Secret } from '../../kernel/index.js';
import type { ControlPlane, ControlPlaneAnswer } from '../control-plane.js';
import { portUpstreamSchema, type PortUpstream } from './port-upstream.js';

/** A credential of an upstream, and what is told of it. */
export interface Holder {
  lease(): Promise<Held>;
  /** Upstream refused this generation. */
  refused(generation: number): void;
  /** Upstream took this generation. */
  served(generation: number): void;
}

/** What may be sent now and until when; or why nothing may. */
export type Held =
  | { secret: LeaseSecret; generation: number; expiresAt: Date }
  | { denied: string }
  | { retryAfterSeconds: number };

/** Names the credential of each upstream in leases and reports; the same in every process. */
const IDS: Record<PortUpstream, string> = {
  anthropic: '00000000-0000-4000-8000-000000000001',
  openai: '00000000-0000-4000-8000-000000000002',
};

const NOTHING = 'Nothing is configured for this API.';

const DONE: ControlPlaneAnswer = { status: 204, body: null, retryAfterSeconds: null };

/** Answers in this process what a control plane answers over HTTP, so that all that leases and reports is the same with one and without. Nobody takes rights away here. */
export class LocalControlPlane implements Pick<ControlPlane, 'post'> {
  constructor(private readonly holders: Partial<Record<PortUpstream, Holder>>) {}

  /** The id of an upstream's credential. */
  static idOf(upstream: PortUpstream): string {
    return IDS[upstream];
  }

  async post(path: string, _token: Secret, body: unknown): Promise<ControlPlaneAnswer> {
    switch (path) {
      case proxyPaths.lease: {
        // No port leads to git, nor to Bedrock's own wire.
        const upstream = portUpstreamSchema.safeParse(leaseRequestSchema.parse(body).upstream);
        return upstream.success ? this.#lease(upstream.data) : denied(NOTHING);
      }
      case proxyPaths.report:
        // Made by this very process, and many: they are not examined again.
        for (const item of (body as ProxyReportRequest).items) this.#tell(item);
        return DONE;
      default:
        return { status: 200, body: { credentialIds: [] }, retryAfterSeconds: null };
    }
  }

  async #lease(upstream: PortUpstream): Promise<ControlPlaneAnswer> {
    const held = (await this.holders[upstream]?.lease()) ?? { denied: NOTHING };
    if ('denied' in held) return denied(held.denied);
    if ('retryAfterSeconds' in held) {
      return { status: 503, body: null, retryAfterSeconds: held.retryAfterSeconds };
    }
    const lease: Lease = {
      credentialId: IDS[upstream],
      generation: held.generation,
      expiresAt: held.expiresAt.toISOString(),
      secret: held.secret,
    };
    return { status: 200, body: lease, retryAfterSeconds: null };
  }

  #tell(item: ProxyReportItem): void {
    if (item.type !== 'refused' && item.type !== 'served') return;
    const upstream = (Object.keys(IDS) as PortUpstream[]).find((each) => IDS[each] === item.credentialId);
    const holder = upstream && this.holders[upstream];
    holder?.[item.type](item.generation);
  }
}

function denied(detail: string): ControlPlaneAnswer {
  return { status: 409, body: { code: 'no-agent-credential', detail }, retryAfterSeconds: null };
}
