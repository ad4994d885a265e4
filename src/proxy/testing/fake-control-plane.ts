import type http from 'node:http';
import {
  proxyPaths,
  proxyReportRequestSchema,
  type Lease,
  type ProxyReportItem,
} from '../../contracts/proxy.js';
import { serve, textOf } from './http.js';

export interface Prepared {
  status: number;
  body: unknown;
  headers?: http.OutgoingHttpHeaders;
}

/** The control plane's routes for a proxy, with answers that a test chooses. */
export class FakeControlPlane {
  url = '';
  /** What each lease call asked for, with its authorization header. */
  readonly leaseCalls: { upstream: unknown; authorization: string | undefined }[] = [];
  /** Every delivery of reports, also those that were not accepted. */
  readonly deliveries: ProxyReportItem[][] = [];
  /** What was accepted, once per id. */
  readonly accepted = new Map<string, ProxyReportItem>();
  /** Leases and reports in the order in which they came. */
  readonly order: string[] = [];
  /** Answers the next lease calls; the last one stays. */
  leaseAnswers: Prepared[] = [];
  /** Where set, answers every lease call in place of `leaseAnswers`. */
  nextLease: ((upstream: unknown) => Prepared) | null = null;
  /** Statuses of the next report calls; 204 when there are none left. */
  reportStatuses: number[] = [];
  /** A lease call waits for this before it is answered. */
  leaseGate: Promise<void> = Promise.resolve();
  /** Of which credentials it says that they may not serve any more, with this status. */
  withdrawn: Prepared = { status: 200, body: { credentialIds: [] } };
  /** What was asked about calls under way. */
  readonly withdrawnCalls: unknown[] = [];
  /** Which hosts it says are allowed, with this status; null: it gives no answer. */
  egress: Prepared | null = { status: 200, body: { allowedHosts: [] } };
  egressCalls = 0;
  #close: () => Promise<void> = () => Promise.resolve();

  static async start(): Promise<FakeControlPlane> {
    const fake = new FakeControlPlane();
    const server = await serve((request, response) => void fake.#answer(request, response));
    fake.url = server.url;
    fake.#close = () => server.close();
    return fake;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Allows these hosts from now on. */
  allow(...allowedHosts: string[]): void {
    this.egress = { status: 200, body: { allowedHosts } };
  }

  /** Leases this secret from now on. */
  lease(secret: Lease['secret'], more: Partial<Lease> = {}): Lease {
    const lease = leaseOf(secret, more);
    this.leaseAnswers = [{ status: 200, body: lease }];
    this.nextLease = null;
    return lease;
  }

  /** Has no credential for git, from now on. */
  lendNothingToGit(): void {
    this.leaseAnswers = [{ status: 409, body: { code: 'no-git-credential' } }];
    this.nextLease = null;
  }

  /**
   * Leases these secrets one after the other, as generations of one credential: each until a report says that it was refused. After the last there is none: 409. Gives the
   * current generation.
   */
  succession(secrets: Lease['secret'][]): () => number {
    const current = (): number => {
      const refused = this.reports('refused').map(({ generation }) => generation);
      return Math.max(0, ...refused) + 1;
    };
    this.nextLease = () => {
      const secret = secrets[current() - 1];
      if (!secret) return { status: 409, body: { code: 'no-agent-credential', detail: 'Add a credential.' } };
      return { status: 200, body: leaseOf(secret, { generation: current() }) };
    };
    return current;
  }

  /** The accepted reports of one type, in order. */
  reports<T extends ProxyReportItem['type']>(type: T): Extract<ProxyReportItem, { type: T }>[] {
    return [...this.accepted.values()].filter((item) => item.type === type) as Extract<
      ProxyReportItem,
      { type: T }
    >[];
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body = JSON.parse(await textOf(request)) as Record<string, unknown>;
    if (request.url === proxyPaths.lease) return this.#answerLease(request, body, response);
    if (request.url === proxyPaths.withdrawn) {
      this.withdrawnCalls.push(body.credentialIds);
      response.writeHead(this.withdrawn.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(this.withdrawn.body));
      return;
    }
    if (request.url === proxyPaths.egress) {
      this.egressCalls += 1;
      if (!this.egress) return void request.socket.destroy();
      response.writeHead(this.egress.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(this.egress.body));
      return;
    }
    const { items } = proxyReportRequestSchema.parse(body);
    this.deliveries.push(items);
    const status = this.reportStatuses.shift() ?? 204;
    if (status < 300) for (const item of items) this.accepted.set(item.id, item);
    this.order.push(`report ${status}`);
    response.writeHead(status).end();
  }

  async #answerLease(
    request: http.IncomingMessage,
    body: Record<string, unknown>,
    response: http.ServerResponse,
  ): Promise<void> {
    this.leaseCalls.push({ upstream: body.upstream, authorization: request.headers.authorization });
    this.order.push('lease');
    await this.leaseGate;
    const { status, body: json, headers } = this.nextLease?.(body.upstream) ?? this.#prepared();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(json));
  }

  #prepared(): Prepared {
    const answer = this.leaseAnswers.length > 1 ? this.leaseAnswers.shift() : this.leaseAnswers[0];
    return answer ?? { status: 503, body: {} };
  }
}

function leaseOf(secret: Lease['secret'], more: Partial<Lease>): Lease {
  return {
    credentialId: '0198c0de-0000-7000-8000-000000000001',
    generation: 1,
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    secret,
    ...more,
  };
}
