import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** A host on loopback that speaks https under names of a test's choosing, as one of the open internet would. What came is counted here, at the other end. */
export class TlsHost {
  /** `<server name> <method> <path>` of each request. */
  readonly requests: string[] = [];
  /** Connections, also such as never became a request. */
  connections = 0;

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
    /** Of the certificate that clients must trust. */
    readonly certificateFile: string,
    readonly certificate: string,
  ) {}

  /** `answer` is given what was asked; by default each is answered with "hello from <server name>". */
  static async start(
    names: readonly string[],
    answer: (request: IncomingMessage, response: ServerResponse) => void = hello,
  ): Promise<TlsHost> {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-tls-host-'));
    const [keyFile, certificateFile] = [path.join(folder, 'key.pem'), path.join(folder, 'certificate.pem')];
    const subject = [
      '-subj',
      '/CN=test',
      '-addext',
      `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
    ];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      ...key,
      '-out',
      certificateFile,
      '-days',
      '2',
      ...subject,
    ]);
    const certificate = await readFile(certificateFile, 'utf8');
    const server = createServer({ key: await readFile(keyFile), cert: certificate });
    const host = new TlsHost(server, folder, certificateFile, certificate);
    server.on('connection', () => (host.connections += 1));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      host.requests.push(`${serverNameOf(request)} ${request.method} ${request.url}`);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return host;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
    await rm(this.folder, { recursive: true, force: true });
  }
}

function serverNameOf({ socket }: IncomingMessage): string {
  return 'servername' in socket && typeof socket.servername === 'string' ? socket.servername : '';
}

function hello(request: IncomingMessage, response: ServerResponse): void {
  response.end(`hello from ${serverNameOf(request)}\n`);
}
