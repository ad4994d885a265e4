import net, { type AddressInfo } from 'node:net';

/** A loopback port before a workspace's socket, as the forwarder in its sandbox is one. */
export interface Bridge {
  url: string;
  close(): void;
}

export async function bridgeTo(socketPath: string): Promise<Bridge> {
  const server = net.createServer((socket) => {
    const inner = net.connect(socketPath);
    for (const each of [socket, inner]) each.on('error', () => undefined);
    socket.pipe(inner).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}
