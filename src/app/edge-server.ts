import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { ExpressAdapter } from '@nestjs/platform-express';

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
      response.once('close', () => {
        if (!socket.destroyed) this.#idle.add(socket);
      });
    });
  }
}
