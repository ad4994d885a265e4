import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchContext, Row } from '../bench.js';
import { memoryOf, settledMemory } from '../support/memory.js';
import { median } from '../support/samples.js';
import { load, type Load } from '../support/wire/load.js';
import { missingPrograms, processorTime, startWays, type Way, type Ways } from '../support/wire/programs.js';

const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 32;
const STREAMS = 1_000;
const STREAM_SECONDS = 10;
/** Of one event each 250 ms. */
const EVENTS_PER_STREAM = STREAM_SECONDS * 4;

/** What is asked for: the answer, by the query of the request, and how large the question is. `aim`: how many times as fast as the barest proxy Berth is meant to be. */
const WORKLOADS = [
  { name: 'JSON, 2 KB asked', query: '', bodyBytes: 2_000, aim: 1.4 },
  { name: 'JSON, 200 KB asked', query: '', bodyBytes: 200_000, aim: null },
  { name: '40 events, 2 KB asked', query: '?stream', bodyBytes: 2_000, aim: 1 },
  { name: '40 events, 200 KB asked', query: '?stream', bodyBytes: 200_000, aim: null },
] as const;
type Workload = (typeof WORKLOADS)[number];

/** The proxy on its own, with an identity that it renews, beside nginx and the barest proxy of Node: time and processor time per request, what it adds to one call, memory. */
export const proxy: Bench = { name: 'proxy', run };

interface Reading extends Load {
  /** Milliseconds of a processor per request. */
  processor: number;
}

async function run(context: BenchContext): Promise<Row[]> {
  const missing = await missingPrograms();
  if (missing !== null) {
    context.say(`left out, since its yardsticks are not installed (${missing})`);
    return [];
  }
  const ways = await startWays(context);
  const berth = ways.berth.pid ?? 0;
  const idle = await settledMemory(() => memoryOf(berth));
  const rows: Row[] = [];
  for (const workload of WORKLOADS) rows.push(...(await throughput(context, ways, workload)));
  const loaded = memoryOf(berth);
  for (const workload of [WORKLOADS[0], WORKLOADS[2]]) rows.push(...(await added(context, ways, workload)));
  const megabytes = (what: string, measured: number, aim: number | null = null): Row => ({
    ...{ what, unit: 'MB', measured, spread: null, yardstick: null, aim },
  });
  rows.push(megabytes('memory idle, after the start', idle.rss, 60));
  rows.push(megabytes('  right after the load', loaded.rss));
  rows.push(...(await openStreams(context, ways.berth)));
  return rows;
}

/** Each way in turns, so that a busy moment of the machine meets all of them. */
async function readings(
  context: BenchContext,
  ways: readonly Way[],
  { name, query, bodyBytes }: Workload,
  connections: number,
): Promise<Map<Way, Reading[]>> {
  const all = new Map<Way, Reading[]>(ways.map((way) => [way, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const way of ways) {
      context.say(`${name}, ${connections} at once: ${way.name} (${round} of ${ROUNDS})`);
      const before = way.pid === null ? 0 : processorTime(way.pid);
      const { authorization } = way;
      const options = { connections, bodyBytes, seconds: SECONDS, authorization };
      const result = await load(way.url + query, options);
      const used = way.pid === null ? 0 : processorTime(way.pid) - before;
      all.get(way)?.push({ ...result, processor: used / result.requests });
    }
  }
  return all;
}

function of(all: Map<Way, Reading[]>, way: Way, pick: (reading: Reading) => number): number {
  return median((all.get(way) ?? []).map(pick));
}

async function throughput(context: BenchContext, ways: Ways, workload: Workload): Promise<Row[]> {
  const { nginx, barest, berth } = ways;
  const all = await readings(context, [nginx, barest, berth], workload, CONNECTIONS);
  const row = (what: string, way: Way, pick: (reading: Reading) => number, aim: number | null): Row => {
    const value = of(all, barest, pick) * 1000;
    return {
      what,
      unit: 'µs',
      measured: of(all, way, pick) * 1000,
      spread: null,
      yardstick: { what: 'the barest proxy', value },
      aim: aim === null ? null : Math.round(value / aim),
    };
  };
  const perSecond = Math.round(1000 / of(all, berth, ({ each }) => each));
  return [
    row(
      `${workload.name}, ${CONNECTIONS} at once: one of them (${perSecond}/s)`,
      berth,
      ({ each }) => each,
      workload.aim,
    ),
    row('  of a processor', berth, ({ processor }) => processor, null),
    row('  nginx: one of them', nginx, ({ each }) => each, null),
    row('  nginx: of a processor', nginx, ({ processor }) => processor, null),
  ];
}

/** What a proxy adds to a call, besides what the call takes without one. */
async function added(context: BenchContext, ways: Ways, workload: Workload): Promise<Row[]> {
  const { direct, nginx, barest, berth } = ways;
  const all = await readings(context, [direct, nginx, barest, berth], workload, 1);
  const more = (way: Way, pick: (reading: Reading) => number): number =>
    (of(all, way, pick) - of(all, direct, pick)) * 1000;
  const row = (what: string, way: Way, pick: (reading: Reading) => number, aim: number | null): Row => ({
    what,
    unit: 'µs',
    measured: more(way, pick),
    spread: null,
    yardstick: { what: 'the barest proxy adds', value: more(barest, pick) },
    aim,
  });
  return [
    row(`${workload.name}, one at a time: added`, berth, ({ p50 }) => p50, 350),
    row('  added to the slowest 1 %', berth, ({ p99 }) => p99, null),
    row('  nginx: added', nginx, ({ p50 }) => p50, null),
  ];
}

/** Streams that go on: what one costs, and whether it grows with its events. */
async function openStreams(context: BenchContext, { url, pid }: Way): Promise<Row[]> {
  const before = memoryOf(pid ?? 0).rss;
  const begun = await Promise.all(Array.from({ length: STREAMS }, () => openStream(context, url)));
  await delay(2000);
  const open = memoryOf(pid ?? 0).rss;
  context.say(`${STREAMS} streams are open`);
  await delay(STREAM_SECONDS * 1000);
  const later = memoryOf(pid ?? 0).rss;
  for (const stream of begun) stream.destroy();
  const megabytes = (what: string, measured: number): Row => ({
    ...{ what, unit: 'MB', measured, spread: null, yardstick: null, aim: null },
  });
  return [
    megabytes(`${STREAMS} open streams: more memory`, open - before),
    megabytes(`  after ${STREAMS * EVENTS_PER_STREAM} events more: growth`, later - open),
  ];
}

/** A stream whose head has come; what follows is read and dropped. */
function openStream(context: BenchContext, url: string): Promise<net.Socket> {
  const { hostname, port, pathname } = new URL(url);
  const body = '{"model":"claude-sonnet-4-6","stream":true}';
  const socket = net.connect(Number(port), hostname);
  context.defer(() => socket.destroy());
  socket.write(
    `POST ${pathname}?slow HTTP/1.1\r\nhost: bench\r\nx-api-key: placeholder\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return new Promise((resolve, reject) => {
    socket.once('error', reject).once('data', (head) => {
      if (head.toString('latin1').startsWith('HTTP/1.1 200')) resolve(socket.resume());
      else reject(new Error(`A stream was answered ${head.toString('latin1').slice(0, 40)}`));
    });
  });
}
