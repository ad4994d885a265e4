import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, systemClock, type Clock } from '../../src/kernel/index.js';
import { answerControl, type Control } from './control.js';
import type { Emulator, EmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import { Failures, type FailureRule } from './failures.js';
import { Gate } from './gate.js';
import { entryOf, KnownCredentials, type LedgerEntry } from './ledger.js';
import type { Logins } from './logins.js';

/** Answers one request. What it throws becomes a 500 that says so, unless the client has gone. */
export type Handler = (exchange: Exchange) => Promise<void>;

const KEEP_ALIVE_MS = 120_000;

/** The part all emulators share: a loopback server with a ledger, known credentials, failures on demand and a control address. */
export class EmulatorServer<L extends Logins | null> implements Emulator {
  readonly failures = new Failures();
  readonly gate = new Gate();
  readonly credentials: KnownCredentials;
  readonly #server: Server;
  readonly #clock: Clock;
  #requests: LedgerEntry[] = [];
  #url = '';
  /** Its own calls of `/_control/…`. */
  protected readonly controls: Record<string, Control> = {};

  constructor(
    options: EmulatorOptions,
    private readonly handler: Handler,
    /** Where the provider has some. */
    readonly logins: L,
  ) {
    this.credentials = new KnownCredentials(options.acceptContaining ?? null);
    this.#clock = options.clock ?? systemClock;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    // Node's default of 5 s closes idle connections just when a client may be using them again.
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
  }

  get url(): string {
    return this.#url;
  }

  get requests(): readonly LedgerEntry[] {
    return this.#requests;
  }

  get waiting(): number {
    return this.gate.waiting;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Starts to listen on loopback. Rejects when the port is taken. */
  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    this.#url = `http://127.0.0.1:${this.port}`;
  }

  fail(rule: FailureRule): void {
    this.failures.add(rule);
  }

  accept(credential: string): void {
    this.credentials.accept(credential);
  }

  revoke(credential: string): void {
    this.credentials.revoke(credential);
    this.logins?.revoke(credential);
  }

  release(count?: number): void {
    this.gate.release(count);
  }

  reset(): void {
    this.#requests = [];
    this.failures.clear();
    this.gate.clear();
    this.logins?.reset();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve, reject) =>
      this.#server.close((error) => (error ? reject(error) : resolve())),
    );
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      if (request.url?.startsWith('/_control/')) {
        await answerControl(this, request, response, this.controls);
        return;
      }
      const entry = entryOf(request, this.#clock.now());
      this.#requests.push(entry);
      await this.handler({ request, response, entry, signal: gone.signal });
    } catch (error) {
      if (gone.signal.aborted) return;
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end(`fault in the emulator: ${messageOf(error)}\n`);
    }
  }
}
