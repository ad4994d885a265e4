import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { blockedSentence, type Blocked } from '../../contracts/egress-sentences.js';
import type { ProxyTunnel } from '../../contracts/proxy.js';
import { BerthError, matchesHost, messageOf } from '../../kernel/index.js';
import { field } from '../json.js';
import type { Workspace } from '../workspace.js';
import { MAX_HELLO_BYTES, MAX_HELLO_PIECES, readClientHello, type Hello } from './client-hello.js';
import { parseConnectTarget } from './connect-target.js';
import { PrivateAddress } from './destinations.js';
import type { Tunnel } from './tunnels.js';

type Outcome = ProxyTunnel['outcome'];

/** A fatal alert `unrecognized_name` (RFC 8446 section 6): clients say which it was, where a closed connection says nothing. */
const UNRECOGNIZED_NAME = Buffer.from([0x15, 3, 3, 0, 2, 2, 112]);
const MAX_REASON_LENGTH = 300;

/** What is said of a way out that is not to be had. */
interface Denial {
  status: number;
  /** For programs, in `x-berth-egress`. */
  word: string;
  sentence: string;
  retryAfterSeconds?: number;
}

/**
 * One CONNECT of an agent: a tunnel of bytes that nobody reads, to a host that its organization allows. What is checked: the name, the list, each address of the name, and the
 * name that the client asks for within TLS. The socket itself is the identity, as it is for git.
 */
export class ConnectCall implements Tunnel {
  #host: string | null = null;
  #upstream: Socket | null = null;
  #isCut = false;

  constructor(
    private readonly workspace: Workspace,
    private readonly request: IncomingMessage,
    private readonly client: Duplex,
    /** What came right behind the request. */
    private readonly head: Buffer,
  ) {}

  get host(): string | null {
    return this.#host;
  }

  cut(): void {
    this.#isCut = true;
    this.#upstream?.destroy();
    this.client.destroy();
  }

  /** Never rejects; ends when the tunnel has. */
  async run(): Promise<void> {
    const begun = performance.now();
    const { id: workspaceId, tunnels, context } = this.workspace;
    // An error on a connection that nobody reads any more must not end the process.
    this.client.on('error', () => this.#upstream?.destroy());
    const end = tunnels.begin(this);
    let outcome: Outcome;
    try {
      outcome = await this.#carryOut();
    } catch (error) {
      outcome = this.#fail(error);
    }
    end();
    if (this.#isCut) outcome = 'cut';
    const bytesOut = this.#upstream?.bytesWritten ?? 0;
    const bytesIn = this.#upstream?.bytesRead ?? 0;
    context.observers.tunnel({ outcome, bytesOut, bytesIn });
    const milliseconds = Math.round(performance.now() - begun);
    const fields = {
      workspaceId,
      method: 'CONNECT',
      host: this.#host,
      outcome,
      bytesOut,
      bytesIn,
      milliseconds,
    };
    context.log.info(fields, 'tunnel');
  }

  async #carryOut(): Promise<Outcome> {
    const target = parseConnectTarget(this.request.url ?? '');
    if (target.reason !== undefined) return this.#block(target);
    const { host } = target;
    this.#host = host;
    const allowed = await this.workspace.allowedHosts.get();
    if (!allowed.some((pattern) => matchesHost(pattern, host)))
      return this.#block(blocked(host, 'not-allowed'));
    await this.#connect(host);
    if (this.client.destroyed) return 'closed';
    this.client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    const first = await this.#hello(host);
    if (Buffer.isBuffer(first)) await this.#join(first);
    return Buffer.isBuffer(first) ? 'closed' : first;
  }

  /** Connects to the host, to an address of it that was checked. Rejects with PrivateAddress, or with what the network said. */
  async #connect(host: string): Promise<void> {
    const { id, context } = this.workspace;
    const { limits, destinations, network } = context;
    const late = AbortSignal.timeout(limits.connectTimeoutSeconds * 1000);
    const { addresses, port } = await unless(late, destinations.of(host, id, late));
    if (this.client.destroyed) return;
    const upstream = network.connect(host, addresses, port);
    this.#upstream = upstream;
    const connected = new Promise<void>((resolve, reject) => {
      upstream.once('connect', resolve).once('error', reject).once('close', resolve);
    });
    this.client.once('close', () => upstream.destroySoon());
    await unless(late, connected);
    upstream.on('error', () => this.client.destroy());
    upstream.setNoDelay(true).setTimeout(limits.tunnelIdleSeconds * 1000, () => this.#drop());
  }

  /** The client's first bytes, once they are known to ask TLS for this host; else how it ended. */
  async #hello(host: string): Promise<Buffer | Outcome> {
    const { bytes, hello } = await this.#firstBytes();
    if (hello?.kind === 'hello' && hello.serverName?.toLowerCase() === host) return bytes;
    // Nothing was sent to the host.
    this.#upstream?.destroy();
    if (hello === null) {
      this.client.destroy();
      return 'closed';
    }
    if (hello.kind !== 'hello') return this.#block(blocked(host, 'not-https'));
    this.#tell(blocked(host, 'other-name'));
    this.client.end(UNRECOGNIZED_NAME, () => this.client.destroy());
    return 'blocked';
  }

  /** What the client begins with; null when it left before that could be told, or took too long. */
  #firstBytes(): Promise<{ bytes: Buffer; hello: Hello | null }> {
    const { client } = this;
    let bytes = this.head;
    let pieces = 0;
    return new Promise((resolve) => {
      const done = (hello: Hello | null): void => {
        clearTimeout(timer);
        client.off('data', take).off('end', leave).off('close', leave).pause();
        resolve({ bytes, hello });
      };
      const leave = (): void => done(null);
      const look = (): void => {
        const hello = readClientHello(bytes);
        const isTooMuch = bytes.length > MAX_HELLO_BYTES || pieces > MAX_HELLO_PIECES;
        if (hello.kind !== 'partial' || isTooMuch) done(hello);
      };
      const take = (chunk: Buffer): void => {
        bytes = Buffer.concat([bytes, chunk]);
        pieces += 1;
        look();
      };
      const timer = setTimeout(leave, this.workspace.context.limits.headTimeoutSeconds * 1000);
      client.on('data', take).once('end', leave).once('close', leave);
      if (client.destroyed) leave();
      else look();
    });
  }

  /** Passes bytes on, both ways, each end for itself, until both have ended or one has broken. */
  #join(first: Buffer): Promise<void> {
    const { client } = this;
    const upstream = this.#upstream;
    if (!upstream) return Promise.resolve();
    upstream.write(first);
    client.pipe(upstream);
    upstream.pipe(client);
    return new Promise((resolve) => {
      const end = (): void => {
        // What the host said last goes out; a client that does not take it is not waited for.
        if (client.destroyed) return resolve();
        client.end();
        const timer = setTimeout(() => client.destroy(), DRAIN_MILLISECONDS);
        client.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
      };
      if (upstream.destroyed) end();
      else upstream.once('close', end);
    });
  }

  /** Nothing went through for too long. */
  #drop(): void {
    this.#upstream?.destroy();
    this.client.destroy();
  }

  #fail(error: unknown): Outcome {
    const { id: workspaceId, context } = this.workspace;
    const host = this.#host ?? '';
    this.#upstream?.destroy();
    if (error instanceof PrivateAddress) return this.#block(blocked(host, 'private-address'));
    if (error instanceof BerthError && error.code === 'forbidden') {
      this.#answer({ status: 403, word: 'not-running', sentence: error.message });
      return 'blocked';
    }
    if (error instanceof BerthError) {
      const { retryAfterSeconds = 2, message: sentence } = error;
      this.#answer({ status: 503, word: 'not-ready', sentence, retryAfterSeconds });
      return 'not-ready';
    }
    const reason = field(error, 'code') ?? messageOf(error);
    context.log.warn({ workspaceId, host, reason }, 'host gave no answer');
    const sentence = `Berth's proxy got no answer from ${host}. Is the name right? Try again in a moment.`;
    this.#answer({ status: 502, word: 'unreachable', sentence });
    return 'unreachable';
  }

  #block(what: Blocked): Outcome {
    this.#tell(what);
    this.#answer({ status: 403, word: what.reason, sentence: blockedSentence(what) });
    return 'blocked';
  }

  #tell(what: Blocked): void {
    const { id: workspaceId, blocked: reports, context } = this.workspace;
    context.log.info({ workspaceId, ...what }, 'blocked');
    reports.tell(what);
  }

  /** The sentence is also the reason of the status line: of a refused CONNECT most clients show that and nothing else. */
  #answer({ status, word, sentence, retryAfterSeconds }: Denial): void {
    const { client } = this;
    if (!client.writable) return void client.destroy();
    const lines = [
      `HTTP/1.1 ${status} ${sentence.slice(0, MAX_REASON_LENGTH)}`,
      'content-type: text/plain; charset=utf-8',
      `content-length: ${Buffer.byteLength(sentence) + 1}`,
      `x-berth-egress: ${word}`,
      ...(retryAfterSeconds === undefined ? [] : [`retry-after: ${retryAfterSeconds}`]),
      'connection: close',
    ];
    client.end(`${lines.join('\r\n')}\r\n\r\n${sentence}\n`, () => client.destroy());
  }
}

const DRAIN_MILLISECONDS = 10_000;

function blocked(host: string, reason: Blocked['reason']): Blocked {
  return { host, port: 443, reason };
}

/** The promise, unless the signal comes first: then it rejects with what the signal says. */
function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
