import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** What a server says is one byte for what it is, its length, and the rest. */
function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const rest = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(4 + rest.length);
  return Buffer.concat([Buffer.from(type), length, rest]);
}

const TAKEN = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', 'I')]);
const DEAD = message(
  'E',
  'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0',
);

/** Takes each connection, and says in the same breath that it ends: as Postgres does that is killed when somebody connects. */
export async function startDyingPostgres(): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([TAKEN, DEAD])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `postgres://nobody:x@127.0.0.1:${(server.address() as AddressInfo).port}/nothing`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
