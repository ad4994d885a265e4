import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A dumb balancer: each connection goes to the next of the ports on which somebody listens. It knows nothing of HTTP. */
export interface Splitter {
  url: string;
  port: number;
  /** Ends every connection and takes no new one, until `mend`: as a network does that is cut. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** `toFirst`: not the next but the first that is there, so that a test knows where it goes. */
export async function startSplitter(ports: readonly number[], toFirst = false): Promise<Splitter> {
  const open = new Set<Socket>();
  let next = 0;
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
  };
  const server = createServer((socket) => {
    keep(socket);
    void reach(ports, toFirst ? 0 : next++, keep).then((target) => {
      if (!target) return socket.destroy();
      socket.pipe(target).pipe(socket);
      // What ends abruptly on one side ends so on the other.
      socket.on('close', () => target.destroy());
      target.on('close', () => socket.destroy());
    });
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const cut = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    cut,
    mend: () => listen(port),
    close: async () => {
      if (server.listening) await cut();
    },
  };
}

/** A connection to the first that takes one, beginning with the `from`-th. */
async function reach(
  ports: readonly number[],
  from: number,
  keep: (socket: Socket) => void,
): Promise<Socket | null> {
  for (let tried = 0; tried < ports.length; tried++) {
    const target = connect(ports[(from + tried) % ports.length] ?? 0, '127.0.0.1');
    keep(target);
    const isThere = await new Promise<boolean>((resolve) => {
      target.once('connect', () => resolve(true));
      target.once('error', () => resolve(false));
    });
    if (isThere) return target;
  }
  return null;
}
