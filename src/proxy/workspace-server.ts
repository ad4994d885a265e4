import { chmod, lstat, unlink } from 'node:fs/promises';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BerthError, causeFields, messageOf } from '../kernel/index.js';
import { GitCall } from './git-route.js';
import { ModelCall } from './model-route.js';
import { plainFormat, refuse, textFormat, type RefusalFormat } from './refusal.js';
import { ClientGone } from './request-body.js';
import { below, parseTarget, type RequestTarget } from './request-target.js';
import { upstreams } from './upstreams/index.js';
import type { Workspace } from './workspace.js';

const MAX_LOGGED_PATH = 200;
const NOTHING = 'There is nothing at this address.';

/** The HTTP server of one workspace on its Unix socket. */
export class WorkspaceServer {
  readonly #server: Server;
  /** Connections with an answer under way. */
  readonly #busy = new WeakSet<Duplex>();

  constructor(
    private readonly workspace: Workspace,
    readonly socketPath: string,
  ) {
    const { limits } = workspace.context;
    this.#server = http.createServer(
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
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on('connect', (_request, socket) => endWith(socket, '405 Method Not Allowed'));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#onClientError(error, socket),
    );
  }

  /** Opens the socket, in place of one that a former proxy left behind. Throws BerthError `bad-request` when the path cannot be used. */
  async listen(): Promise<void> {
    const max = this.workspace.context.limits.maxSocketPathBytes;
    const length = Buffer.byteLength(this.socketPath);
    if (length > max) {
      throw new BerthError(
        'bad-request',
        `The socket path has ${length} bytes and may have ${max}. Use a shorter data directory.`,
      );
    }
    await removeStale(this.socketPath);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.socketPath, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#log('error', { reason: messageOf(error) }, 'socket failed'));
    await chmod(this.socketPath, 0o600);
  }

  /** Closes the socket and every connection; calls under way are broken off. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { workspace } = this;
    const url = request.url ?? '';
    const started = performance.now();
    this.#busy.add(request.socket);
    response.once('close', () => {
      this.#busy.delete(request.socket);
      const milliseconds = Math.round(performance.now() - started);
      const status = response.headersSent ? response.statusCode : null;
      const whole = response.writableFinished;
      const path = (url.split('?', 1)[0] ?? '').slice(0, MAX_LOGGED_PATH);
      this.#log('info', { method: request.method, path, status, whole, milliseconds }, 'request');
    });
    // An error on a request that nobody reads any more must not end the process.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      await route(workspace, request, response, url);
    } catch (error) {
      if (error instanceof ClientGone) return void response.destroy();
      this.#log('error', { reason: messageOf(error) }, 'request failed');
      if (response.headersSent) return void response.destroy();
      answer(
        workspace,
        request,
        response,
        formatFor(url),
        500,
        "Berth's proxy failed. Try again in a moment.",
      );
    }
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    this.#log('warn', { code: error.code ?? error.name }, 'unreadable request');
    // Bytes of ours in the middle of an answer would pass for a part of it.
    if (!socket.writable || this.#busy.has(socket)) return void socket.destroy();
    const status = PARSER_STATUS[error.code ?? ''] ?? '400 Bad Request';
    endWith(socket, status);
  }

  #log(level: 'info' | 'warn' | 'error', fields: object, message: string): void {
    const { id, cause, context } = this.workspace;
    context.log[level]({ workspaceId: id, ...causeFields(cause), ...fields }, message);
  }
}

/** Answers for what Node's parser refused. */
const PARSER_STATUS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

async function route(
  workspace: Workspace,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
): Promise<void> {
  const format = formatFor(url);
  const say = (status: number, message: string): void =>
    answer(workspace, request, response, format, status, message);
  if (request.headers.upgrade?.toLowerCase().includes('websocket')) {
    // 426 makes Codex fall back to server-sent events at once; any other refusal costs it seven tries (agents.md section 6).
    say(426, 'WebSocket is not spoken here. Use server-sent events.');
    return;
  }
  const target = parseTarget(url);
  if (!target) {
    say(400, 'This request target is not allowed. Send a plain path.');
    return;
  }
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    say(400, 'Only the transfer coding "chunked" is understood.');
    return;
  }
  if (below(target.path, '/git') !== null) return new GitCall(workspace, request, response).run(target);
  if (request.method === 'HEAD') return void response.writeHead(200, { 'content-length': 0 }).end();
  await routeToModel(workspace, request, response, target, say);
}

async function routeToModel(
  workspace: Workspace,
  request: IncomingMessage,
  response: ServerResponse,
  target: RequestTarget,
  say: (status: number, message: string) => void,
): Promise<void> {
  for (const adapter of Object.values(upstreams)) {
    const path = below(target.path, `/${adapter.name}`);
    if (path === null) continue;
    return new ModelCall(workspace, adapter, request, response).run({ path, query: target.query });
  }
  say(404, NOTHING);
}

/** The shape of errors for a target, also one that could not be read. */
function formatFor(url: string): RefusalFormat {
  const first = url.split(/[/?]/, 2)[1] ?? '';
  const adapter = Object.values(upstreams).find(({ name }) => name === first);
  return adapter?.formatRefusal ?? (first === 'git' ? textFormat : plainFormat);
}

function answer(
  workspace: Workspace,
  request: IncomingMessage,
  response: ServerResponse,
  format: RefusalFormat,
  status: number,
  message: string,
): void {
  refuse(request, response, format, { status, message }, workspace.context.ids.next());
}

/** A bare answer on a connection that has no request to answer. */
function endWith(socket: Duplex, status: string): void {
  // `end` alone would leave a client connected that never closes its side.
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** Removes the socket file of a proxy that has ended. Anything else at that path is not ours to remove. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) {
    throw new BerthError(
      'bad-request',
      'There is a file in place of the socket. Remove it and start the workspace again.',
    );
  }
  await unlink(path);
}
