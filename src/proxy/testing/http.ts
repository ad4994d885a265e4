import http from 'node:http';
import net, { type AddressInfo } from 'node:net';

/** A small HTTP server of a test on a free loopback port. */
export interface TestServer {
  url: string;
  close(): Promise<void>;
}

export async function serve(handler: http.RequestListener): Promise<TestServer> {
  const server = http.createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A request's body as text. */
export async function textOf(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export interface Call {
  method?: string;
  path: string;
  headers?: http.OutgoingHttpHeaders;
  body?: string | Buffer;
}

/** Starts a request on a Unix socket and gives the answer as soon as its head is there. */
export function begin(
  socketPath: string,
  call: Call,
): Promise<{ request: http.ClientRequest; response: http.IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        socketPath,
        agent: false,
        method: call.method ?? 'POST',
        path: call.path,
        headers: call.headers ?? {},
      },
      (response) => resolve({ request, response }),
    );
    request.on('error', reject);
    request.end(call.body);
  });
}

/** A whole exchange on a Unix socket. */
export async function send(socketPath: string, call: Call): Promise<Answer> {
  const { response } = await begin(socketPath, call);
  return { status: response.statusCode ?? 0, headers: response.headers, body: await textOf(response) };
}

/** Sends bytes as they are and collects what comes back until the other side closes. */
export function sendRaw(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath, () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}
