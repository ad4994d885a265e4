import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { BenchContext } from '../bench.js';
import { within } from './deadline.js';

const CHANNEL = 'berth_bench';

/** What carries notices between processes, alone: the yardstick of what is built on it. */
export interface RoundTrip {
  what: string;
  /** From the sending of a notice to its arrival on another connection, in milliseconds. */
  once(): Promise<number>;
}

/** Postgres' LISTEN and NOTIFY between two connections of this process. */
export async function postgresRoundTrip(context: BenchContext, url: string): Promise<RoundTrip> {
  const [sender, listener] = [await connect(context, url), await connect(context, url)];
  await listener.query(`LISTEN ${CHANNEL}`);
  return {
    what: 'bare LISTEN/NOTIFY round trip',
    once: () =>
      timedNotice(
        (heard) => listener.once('notification', heard),
        () => sender.query('SELECT pg_notify($1, $2)', [CHANNEL, 'notice']),
      ),
  };
}

/** Redis' SUBSCRIBE and PUBLISH between two connections of this process. */
export async function redisRoundTrip(context: BenchContext, url: string): Promise<RoundTrip> {
  const [sender, listener] = [new Redis(url), new Redis(url)];
  for (const client of [sender, listener]) {
    // The server may be taken away first; a command that is under way hears of it anyway.
    client.on('error', () => undefined);
    context.defer(() => client.disconnect());
  }
  await listener.subscribe(CHANNEL);
  return {
    what: 'bare Redis pub/sub round trip',
    once: () =>
      timedNotice(
        (heard) => listener.once('message', heard),
        () => sender.publish(CHANNEL, 'notice'),
      ),
  };
}

async function timedNotice(
  listen: (heard: () => void) => unknown,
  send: () => Promise<unknown>,
): Promise<number> {
  const arrived = new Promise<number>((resolve) => listen(() => resolve(performance.now())));
  const begun = performance.now();
  await send();
  return (await within('the notice arrives', arrived)) - begun;
}

async function connect(context: BenchContext, url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  // As above: without a listener it would end this process.
  client.on('error', () => undefined);
  await client.connect();
  context.defer(() => client.end());
  return client;
}
