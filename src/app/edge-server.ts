import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ExpressAdapter } from '@nestjs/platform-express';
import { answerToNoHttp } from './not-http.js';

/** How often a closing server looks for connections that are done. */
const CLOSING_LOOK_MS = 50;

/** How long a caller may take to say what they want, and how many may be there at once. An answer may take as long as it likes: streams of events and long polls do. */
export interface ServerLimits {
  /** For the headers, from the first byte or the connection's beginning. */
  headersSeconds: number;
  /** For the whole request. 512 KiB in a minute is a slow telephone line. */
  requestSeconds: number;
  /** For a connection that asks for nothing more. Longer than the minute that load balancers keep theirs, so that it is they who close it. */
  idleSeconds: number;
  /** How often the first two are looked at: they may be exceeded by so much. */
  lookSeconds: number;
  /** More are turned away, so that slow callers use up no more descriptors than these. */
  connections: number;
}

export const serverLimits: ServerLimits = {
  headersSeconds: 15,
  requestSeconds: 60,
  idleSeconds: 65,
  lookSeconds: 5,
  connections: 4096,
};

/** The web server, which waits for nobody for long. */
export class EdgeServer extends ExpressAdapter {
  readonly #idle = new Set<Socket>();
  /** Under way, by connection; several where a client asks again before it was answered. */
  readonly #answers = new WeakMap<Duplex, Set<ServerResponse>>();

  constructor(private readonly limits: ServerLimits = serverLimits) {
    super();
  }

  override initHttpServer(): void {
    const { limits } = this;
    const server = createServer(
      {
        headersTimeout: limits.headersSeconds * 1000,
        requestTimeout: limits.requestSeconds * 1000,
        keepAliveTimeout: limits.idleSeconds * 1000,
        connectionsCheckingInterval: limits.lookSeconds * 1000,
        // Asked for in edge.ts, whose answer says why.
        requireHostHeader: false,
      },
      this.getInstance<RequestListener>(),
    );
    server.maxConnections = limits.connections;
    this.#watch(server);
    this.setHttpServer(server);
  }

  /**
   * Ends when all answers under way are given. Node's own close waits also for connections on which nothing was asked yet, and for those whose answer ended since, as long as
   * they may be idle: longer than a stop may take.
   */
  override async close(): Promise<void> {
    const look = setInterval(() => this.#closeIdle(), CLOSING_LOOK_MS);
    try {
      await super.close();
    } finally {
      clearInterval(look);
    }
  }

  #closeIdle(): void {
    for (const socket of this.#idle) socket.destroy();
  }

  /** Keeps account of the connections that wait for no answer. */
  #watch(server: Server): void {
    server.on('connection', (socket) => {
      this.#idle.add(socket);
      socket.once('close', () => this.#idle.delete(socket));
    });
    // Before the handlers, which may have answered by the time their listeners come to the next one.
    server.prependListener('request', ({ socket }, response) => {
      this.#idle.delete(socket);
      const answers = this.#answers.get(socket) ?? new Set();
      this.#answers.set(socket, answers.add(response));
      response.once('close', () => {
        answers.delete(response);
        if (!socket.destroyed) this.#idle.add(socket);
      });
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#refuse(error, socket));
    // RFC 9110, 10.1.1 lets us answer 417 to an expectation that nobody knows; Node would, without a word. It is nothing to us: the request says what it wants.
    server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  }

  /** Node's own answers to what is no request have no body. In the middle of an answer nothing can be said. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const answers = [...(this.#answers.get(socket) ?? [])];
    if (!socket.writable || answers.some(({ headersSent }) => headersSent)) socket.destroy();
    else socket.end(answerToNoHttp(error), () => socket.destroy());
  }
}
