import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** How long a connection waits for a proxy that is just restarting, in tries of `RETRY_MILLISECONDS`. */
const RETRIES = 20;
const RETRY_MILLISECONDS = 250;

function join(client: Socket, upstream: Socket): void {
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}

/** Connects to the socket. A proxy that restarts leaves the name missing or dead for a moment; git does not try again by itself, so this does. */
function connect(client: Socket, socketPath: string, retriesLeft: number): void {
  const upstream = createConnection({ path: socketPath, allowHalfOpen: true });
  const retry = (): void => {
    if (client.destroyed) return;
    if (retriesLeft === 0) {
      client.destroy();
      return;
    }
    setTimeout(() => connect(client, socketPath, retriesLeft - 1), RETRY_MILLISECONDS);
  };
  upstream.once('error', retry);
  upstream.once('connect', () => {
    upstream.off('error', retry);
    if (client.destroyed) upstream.destroy();
    else join(client, upstream);
  });
}

/** Listens on loopback and pipes each connection to the Unix socket. Port 0 takes any free one. Rejects when the port cannot be bound. */
export function startForwarder(port: number, socketPath: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on('error', () => client.destroy());
    connect(client, socketPath, RETRIES);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}
