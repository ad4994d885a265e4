import { createServer } from 'node:net';

/** Below the ports that the kernel gives to clients (ip_local_port_range begins at 32768): nobody takes it while Berth is away for a moment. */
const FIRST = 20_000;
const COUNT = 10_000;
const TRIES = 50;

/** A loopback port that is free now and can be listened on again later. Rejects when none is found. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < TRIES; tried++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await canListen(port)) return port;
  }
  throw new Error(`No free port between ${FIRST} and ${FIRST + COUNT}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
