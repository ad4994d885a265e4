import type { AddressInfo } from 'node:net';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { answerHead, HttpEdge, type EdgeRequest } from '../http-edge.js';
import { ModelCall } from '../model-route.js';
import type { UpstreamAdapter } from '../upstreams/adapter.js';
import type { Workspace } from '../workspace.js';

/** What a port answers besides model calls; anybody who reaches it may ask. */
export interface Pages {
  health(): { status: number; body: object };
  reflect(): object;
  metrics(): Promise<{ contentType: string; text: string }>;
}

export interface PortOptions {
  workspace: Workspace;
  adapter: UpstreamAdapter;
  /** False: nothing is there to send with, and every model call is a 404. */
  isConfigured: boolean;
  pages: Pages;
}

/** One upstream on a TCP port of its own: the provider's paths as they are, and the pages of this proxy. */
export class PortServer {
  readonly #edge: HttpEdge;

  constructor(private readonly options: PortOptions) {
    const { workspace, adapter } = options;
    const { limits, ids, log } = workspace.context;
    this.#edge = new HttpEdge({
      limits,
      ids,
      log: (level, fields, message) => log[level]({ upstream: adapter.name, ...fields }, message),
      formatFor: () => adapter.formatRefusal,
      route: (call) => this.#route(call),
    });
  }

  /** The one it got; 0 before. */
  get port(): number {
    return (this.#edge.server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Rejects when the port is taken. */
  listen(host: string, port: number): Promise<void> {
    return this.#edge.listen({ host, port });
  }

  /** Calls under way may end, within so many milliseconds. */
  close(graceMilliseconds: number): Promise<void> {
    return this.#edge.close(graceMilliseconds);
  }

  async #route(call: EdgeRequest): Promise<void> {
    const { request, response, target } = call;
    const { workspace, adapter, isConfigured } = this.options;
    if (request.method === 'HEAD') {
      answerHead(response);
      return;
    }
    if (request.method === 'GET' && (await this.#page(target.path, response))) return;
    if (isOfPage(request.headers)) {
      call.refuse({ status: 403, message: 'Pages in a browser may not send requests through this proxy.' });
      return;
    }
    if (!isConfigured) {
      call.refuse({
        status: 404,
        message: `This proxy was started without a credential for ${adapter.title}.`,
      });
      return;
    }
    await new ModelCall(workspace, adapter, request, response).run(target);
  }

  /** True when the path is one of a page, which is answered then. */
  async #page(path: string, response: ServerResponse): Promise<boolean> {
    const { pages } = this.options;
    if (path === '/health') {
      const { status, body } = pages.health();
      sendJson(response, status, body);
    } else if (path === '/reflect') {
      sendJson(response, 200, pages.reflect());
    } else if (path === '/metrics') {
      const { contentType, text } = await pages.metrics();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    } else {
      return false;
    }
    return true;
  }
}

/**
 * Anybody who reaches the port may send; a page that a person on this machine happens to open shall not be among them. Browsers say so, agents say nothing. `origin` too: a page whose
 * name has come to lead here (DNS rebinding) is of this very site to its browser, which then leaves the other header out.
 */
function isOfPage({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return origin !== undefined || site === 'cross-site' || site === 'same-site';
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
