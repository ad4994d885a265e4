import { openWires } from '../../src/app/wires.js';
import { Database, SystemStore } from '../../src/database/index.js';
import { eventsStore } from '../../src/events/index.js';
import { silentLog } from '../../src/kernel/index.js';
import type { Cluster } from '../../test/support/cluster.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { startCluster, startPostgres } from '../support/cluster.js';
import { Readers } from '../support/readers.js';
import { postgresRoundTrip, redisRoundTrip, type RoundTrip } from '../support/round-trip.js';
import { timeRow } from '../support/samples.js';
import { API_KEY } from '../support/system.js';

/** Streams of one workspace that are open, and how many events are timed on all of them. */
const STEPS = [
  { streams: 1, events: 30 },
  { streams: 100, events: 10 },
  { streams: 1000, events: 5 },
];
/** Written one after the other without waiting for any reader. */
const BURST = 5;
const MESSAGES = 10;
/** Opening a thousand streams is not what is measured. */
const REQUESTS_PER_SECOND = 100_000;

/** How soon readers at one api see what was written through another process, on Postgres alone and with Redis. */
export const replicas: Bench = { name: 'replicas', run };

/** Two apis; this process plays a third one. */
interface Place {
  carrier: 'Postgres' | 'Redis';
  cluster: Cluster;
  bare: RoundTrip;
  /** Commits one event with Berth's own store. */
  write(workspaceId: string): Promise<void>;
}

interface Samples {
  seen: number[];
  bare: number[];
}

async function run(context: BenchContext): Promise<Row[]> {
  await startPostgres(context);
  return [...(await measure(context, 'Postgres')), ...(await measure(context, 'Redis'))];
}

async function measure(context: BenchContext, carrier: Place['carrier']): Promise<Row[]> {
  context.say(`${carrier}, start`);
  const place = await open(context, carrier);
  const row = (what: string, { seen, bare }: Samples): Row =>
    timeRow(`${carrier}: ${what}`, seen, { what: place.bare.what, samples: bare });
  const [crowd, alone] = [await newReaders(context, place), await newReaders(context, place)];
  await alone.grow(1);
  const rows = [row('POST /messages at one api to “queued” at the other', await posted(place, alone))];
  for (const { streams, events } of STEPS) {
    context.say(`${carrier}, ${streams} streams`);
    await crowd.grow(streams);
    await burst(place, crowd);
    rows.push(row(`event to each of its streams, ${streams} open`, await written(place, crowd, events)));
  }
  const most = STEPS.at(-1)?.streams ?? 0;
  rows.push(
    row(`event to its one stream, ${most} others open`, await written(place, alone, STEPS[0]?.events ?? 1)),
  );
  for (const readers of [crowd, alone]) readers.close();
  return rows;
}

async function open(context: BenchContext, carrier: Place['carrier']): Promise<Place> {
  const cluster = await startCluster(context, { apis: 2, workers: 0, withRedis: carrier === 'Redis' });
  const { api, database, redis } = cluster;
  await api.call('PATCH', api.path('/limits'), { requestsPerSecond: REQUESTS_PER_SECOND }, 200);
  await api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  const { body } = await api.get<{ id: string }>(api.path(''));
  const system = new SystemStore(database.systemUrl);
  context.defer(() => system.close());
  const wires = await openWires(redis?.url, { ...database, system }, silentLog);
  context.defer(() => wires.close());
  const own = new Database(database.appUrl, wires.tell);
  context.defer(() => own.close());
  const bare = redis
    ? await redisRoundTrip(context, redis.url)
    : await postgresRoundTrip(context, database.appUrl);
  const write = (workspaceId: string): Promise<void> =>
    own.tenant(body.id, (tenant) =>
      eventsStore.append(tenant, workspaceId, [
        { type: 'agent.text', at: new Date(), data: { text: 'Good day' } },
      ]),
    );
  return { carrier, cluster, bare, write };
}

/** A workspace made at the first api, for readers at the second. No worker is there: nothing but what is measured happens to it. */
async function newReaders(context: BenchContext, { cluster }: Place): Promise<Readers> {
  const { id } = await cluster.at('api-1').createWorkspace({ repository: 'acme/app' });
  return Readers.of(context, cluster.at('api-2'), id);
}

/** From the sending of a message to its first event. */
async function posted({ cluster, bare }: Place, readers: Readers): Promise<Samples> {
  return inTurns(bare, MESSAGES, readers, async () => {
    const begun = performance.now();
    await cluster.at('api-1').send(readers.workspaceId, 'Good day');
    return begun;
  });
}

/** From the commit of an event to its arrival, on each stream. */
async function written(place: Place, readers: Readers, count: number): Promise<Samples> {
  return inTurns(place.bare, count, readers, async () => {
    await place.write(readers.workspaceId);
    return performance.now();
  });
}

/** `act` makes one event, and says from when on it is timed. */
async function inTurns(
  bare: RoundTrip,
  count: number,
  readers: Readers,
  act: () => Promise<number>,
): Promise<Samples> {
  const samples: Samples = { seen: [], bare: [] };
  for (let round = 0; round < count; round++) {
    samples.bare.push(await bare.once());
    const arrivals = readers.next();
    const [from, at] = await Promise.all([act(), arrivals]);
    samples.seen.push(...at.map((moment) => moment - from));
  }
  return samples;
}

/** Not timed: what is woken once for many events must bring every one of them to everybody. */
async function burst(place: Place, readers: Readers): Promise<void> {
  for (let count = 0; count < BURST; count++) await place.write(readers.workspaceId);
  for (let count = 0; count < BURST; count++) await readers.next();
}
