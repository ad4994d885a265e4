import * as http from 'node:http';

export interface WorkspaceProxyOptions {
  socketPath: string;
  /** Base URLs of what stands behind each route; a missing one answers 404. */
  anthropicUrl?: string;
  openaiUrl?: string;
  /** Stands for every git host: `/git/<host>/<rest>` goes to `<gitUrl>/<rest>`. */
  gitUrl?: string;
  /** The only credential that is let in on model routes, and the real ones put in its place. */
  placeholder: string;
  anthropicKey?: string;
  openaiKey?: string;
}

export interface WorkspaceProxy {
  /** Paths asked for, in order. */
  readonly paths: readonly string[];
  /** All that was sent in requests, one after the other. */
  sent(): string;
  close(): Promise<void>;
}

interface Route {
  url: string;
  headers: http.OutgoingHttpHeaders;
}

function routeOf(request: http.IncomingMessage, options: WorkspaceProxyOptions): Route | number {
  const path = request.url ?? '/';
  const headers = { ...request.headers };
  const given = String(headers['x-api-key'] ?? headers.authorization ?? '').replace(/^Bearer /, '');
  delete headers.host;
  delete headers.authorization;
  delete headers['x-api-key'];
  const model = (
    prefix: string,
    base: string | undefined,
    credential: http.OutgoingHttpHeaders,
  ): Route | number => {
    if (base === undefined) return 404;
    if (given !== options.placeholder) return 401;
    return { url: base + path.slice(prefix.length), headers: { ...headers, ...credential } };
  };
  if (path.startsWith('/anthropic/')) {
    return model('/anthropic', options.anthropicUrl, { 'x-api-key': options.anthropicKey });
  }
  if (path.startsWith('/openai/')) {
    return model('/openai', options.openaiUrl, { authorization: `Bearer ${options.openaiKey ?? ''}` });
  }
  const git = /^\/git\/[^/]+(\/.*)$/.exec(path);
  if (git?.[1] === undefined || options.gitUrl === undefined) return 404;
  return { url: options.gitUrl + git[1], headers };
}

function forward(route: Route, request: http.IncomingMessage, response: http.ServerResponse): void {
  const upstream = http.request(route.url, { method: request.method, headers: route.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    // A cut must reach the client: `pipe` alone would leave it waiting.
    answer.on('error', () => response.destroy());
  });
  upstream.on('error', () => response.destroy());
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}

/** A small stand-in for Berth's proxy on one workspace's socket, for tests of the runner alone. */
export async function startWorkspaceProxy(options: WorkspaceProxyOptions): Promise<WorkspaceProxy> {
  const paths: string[] = [];
  const sent: Buffer[] = [];
  const server = http.createServer((request, response) => {
    paths.push(request.url ?? '');
    request.on('data', (piece: Buffer) => sent.push(piece));
    const route = routeOf(request, options);
    if (typeof route !== 'number') {
      forward(route, request, response);
      return;
    }
    response.writeHead(route, { 'x-should-retry': 'false' });
    response.end(JSON.stringify({ type: 'error', error: { type: 'authentication_error', message: 'no' } }));
  });
  await new Promise<void>((resolve) => server.listen(options.socketPath, resolve));
  return {
    paths,
    sent: () => Buffer.concat(sent).toString('utf8'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
