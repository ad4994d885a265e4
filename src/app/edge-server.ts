import { createServer, type RequestListener, type Server } from 'node:http';
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
    this.setHttpServer(server);
  }

  /** Ends when all answers under way are given. Node closes the connections that are idle at this moment alone: one whose answer ends later would be kept for its idle time. */
  override async close(): Promise<void> {
    const server = this.getHttpServer() as Server;
    const look = setInterval(() => server.closeIdleConnections(), CLOSING_LOOK_MS);
    try {
      await super.close();
    } finally {
      clearInterval(look);
    }
  }
}
