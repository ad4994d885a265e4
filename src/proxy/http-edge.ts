import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, type Ids } from '../kernel/index.js';
import type { Limits } from './limits.js';
import { refuse, type Refusal, type RefusalFormat } from './refusal.js';
import { ClientGone } from './request-body.js';
import { parseTarget, type RequestTarget } from './request-target.js';

const MAX_LOGGED_PATH = 200;

/** One request whose head two servers can only read in one way. */
export interface EdgeRequest {
  request: IncomingMessage;
  response: ServerResponse;
  target: RequestTarget;
  /** Answers with a refusal in the shape of `formatFor`. */
  refuse(refusal: Refusal): void;
}

/** What differs between the servers of the proxy. */
export interface EdgeOptions {
  limits: Limits;
  ids: Ids;
  log(level: 'info' | 'warn' | 'error', fields: object, message: string): void;
  /** The shape of errors for a target, also for one that could not be read. */
  formatFor(url: string): RefusalFormat;
  /** Takes over a connection that asks for a tunnel; by default such are refused. */
  tunnel?(request: IncomingMessage, client: Duplex, head: Buffer): void;
  /** Why a target that names another server (`http://elsewhere/…`) is not looked at; null, the default, for any other. */
  elsewhere?(url: string, response: ServerResponse): Refusal | null;
  /** Answers a request. What it throws becomes a 500, unless the client has gone. */
  route(request: EdgeRequest): Promise<void>;
}

/** The HTTP side that all servers of the proxy share: bounds, what is refused of any request before it is looked at, the log of requests. */
export class HttpEdge {
  readonly server: Server;
  /** Connections with an answer under way. */
  readonly #busy = new WeakSet<Duplex>();
  #isClosing = false;

  constructor(private readonly options: EdgeOptions) {
    const { limits } = options;
    this.server = http.createServer(
      {
        insecureHTTPParser: false,
        requireHostHeader: true,
        maxHeaderSize: limits.maxHeaderBytes,
        headersTimeout: limits.headTimeoutSeconds * 1000,
        // Off: bodies have clocks of their own (a push may take long, a model call may not), and answers may be silent for minutes.
        requestTimeout: 0,
        keepAliveTimeout: 65_000,
        connectionsCheckingInterval: Math.min(5000, limits.headTimeoutSeconds * 1000),
      },
      (request, response) => void this.#handle(request, response),
    );
    this.server.maxConnections = limits.maxConnections;
    this.server.on('connect', (request, socket, head) => {
      if (options.tunnel) options.tunnel(request, socket, head);
      else endWith(socket, '405 Method Not Allowed');
    });
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#onClientError(error, socket),
    );
  }

  /** Rejects when the address cannot be had. */
  async listen(address: ListenOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(address, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    this.server.on('error', (error) =>
      this.options.log('error', { reason: messageOf(error) }, 'socket failed'),
    );
  }

  /** Takes no new connection. Ends when the last answer has gone out, or after so many milliseconds: then calls under way are broken off. */
  async close(graceMilliseconds = 0): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    if (graceMilliseconds === 0) this.server.closeAllConnections();
    const timer = setTimeout(() => this.server.closeAllConnections(), graceMilliseconds);
    await closed;
    clearTimeout(timer);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    const started = performance.now();
    this.#busy.add(request.socket);
    response.once('close', () => {
      this.#busy.delete(request.socket);
      // Kept open for another request it would keep the server from closing.
      if (this.#isClosing) request.socket.end();
      const milliseconds = Math.round(performance.now() - started);
      const status = response.headersSent ? response.statusCode : null;
      const whole = response.writableFinished;
      const path = (url.split('?', 1)[0] ?? '').slice(0, MAX_LOGGED_PATH);
      this.options.log('info', { method: request.method, path, status, whole, milliseconds }, 'request');
    });
    // An error on a request that nobody reads any more must not end the process.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const say = (refusal: Refusal): void =>
      refuse(request, response, this.options.formatFor(url), refusal, this.options.ids.next());
    try {
      const target = this.options.elsewhere?.(url, response) ?? readHead(request);
      if ('status' in target) say(target);
      else await this.options.route({ request, response, target, refuse: say });
    } catch (error) {
      if (error instanceof ClientGone) return void response.destroy();
      this.options.log('error', { reason: messageOf(error) }, 'request failed');
      if (response.headersSent) return void response.destroy();
      say({ status: 500, message: "Berth's proxy failed. Try again in a moment." });
    }
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    this.options.log('warn', { code: error.code ?? error.name }, 'unreadable request');
    // Bytes of ours in the middle of an answer would pass for a part of it.
    if (!socket.writable || this.#busy.has(socket)) return void socket.destroy();
    const status = PARSER_STATUS[error.code ?? ''] ?? '400 Bad Request';
    endWith(socket, status);
  }
}

/** Answers for what Node's parser refused. */
const PARSER_STATUS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** The target of a request, or why the request is not looked at. */
function readHead(request: IncomingMessage): RequestTarget | Refusal {
  if (request.headers.upgrade?.toLowerCase().includes('websocket')) {
    // 426 makes Codex fall back to server-sent events at once; any other refusal costs it seven tries (agents.md section 6).
    return { status: 426, message: 'WebSocket is not spoken here. Use server-sent events.' };
  }
  const target = parseTarget(request.url ?? '');
  if (!target) return { status: 400, message: 'This request target is not allowed. Send a plain path.' };
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return { status: 400, message: 'Only the transfer coding "chunked" is understood.' };
  }
  return target;
}

/** A bare answer on a connection that has no request to answer. */
function endWith(socket: Duplex, status: string): void {
  // Node lets go of the socket of a CONNECT: nobody else hears that its client has left, and unheard that would end the process of all workspaces.
  socket.on('error', () => undefined);
  // `end` alone would leave a client connected that never closes its side.
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** The answer to a probe: Claude Code asks `HEAD /api/hello` before it works, and any path will do. */
export function answerHead(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 0 }).end();
}
