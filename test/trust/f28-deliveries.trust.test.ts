import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { OwnPostgres } from '../support/own-postgres.js';
import { TestRedis } from '../support/redis.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { Receiving, type ReceivingOptions } from './support/receiving.js';
import { scenes, type News, type Scene } from './support/scenes.js';

/** What is done to a store, and what ends it, if it does not end by itself. */
interface Outage {
  name: string;
  begin(): Promise<unknown>;
  end?(): Promise<unknown>;
}

/** So many sets of scenes in each outage, and each delivery so often. */
const SETS = playsInFull ? 3 : 1;
const TIMES = playsInFull ? 10 : 4;
/** Over so long they come; the outage begins in the middle of it. */
const SPREAD_MS = playsInFull ? 4_000 : 600;
const PAUSE_MS = 30_000;
const READY_SECONDS = 30;
/** Linear waits so long for an answer; what it does not get is told again. */
const ANSWER_MS = 5_000;
const AGAIN_MS = 250;
/** Whoever died with a delivery in hand is not waited for longer than this (delivery.ts), and it rests between two attempts. */
const DONE_SECONDS = 300;

const told = {
  line: 'F16’s line holds: one workspace, one message, one comment and one sign for each; none of the deliveries that were acknowledged is lost; ready again within 30 s without a hand',
  countedAt: 'comments, activities, reactions and checks at the emulated trackers; rows',
  time: 'real' as const,
  fullMinutes: 30,
};
const scenario = `what F16 tells (each delivery ${TIMES} times to two replicas, again until it is taken)`;

describe('the Redis of queue and notices', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.remove());

  figure(
    {
      ...told,
      id: 'F28 deliveries Redis',
      scenario: `${scenario}, while Redis is flushed, restarted, paused for ${PAUSE_MS / 1000} s or killed with -9`,
      rounds: { small: 1, full: 2 },
    },
    (findings) =>
      withstand(findings, { redisUrl: redis.url }, [
        { name: 'FLUSHALL', begin: () => redis.flush() },
        { name: 'restart', begin: () => redis.restart() },
        { name: 'pause', begin: () => redis.pause(), end: () => redis.resume() },
        { name: 'kill -9', begin: () => redis.restart('kill') },
      ]),
  );
});

describe('Postgres', () => {
  let postgres: OwnPostgres;
  beforeAll(async () => {
    postgres = await OwnPostgres.start();
  });
  afterAll(() => postgres.remove());

  figure(
    {
      ...told,
      id: 'F28 deliveries Postgres',
      scenario: `${scenario}, while Postgres is restarted, paused for ${PAUSE_MS / 1000} s or killed with -9; the queue is on Postgres, too`,
      rounds: { small: 1, full: 2 },
    },
    (findings) =>
      withstand(findings, {}, [
        { name: 'kill -9', begin: () => postgres.kill() },
        { name: 'restart', begin: () => postgres.restart() },
        { name: 'pause', begin: () => postgres.pause(), end: () => postgres.resume() },
      ]),
  );
});

/** All of them in full; otherwise the first one alone. */
async function withstand(findings: Findings, options: ReceivingOptions, all: Outage[]): Promise<void> {
  const outages = playsInFull ? all : all.slice(0, 1);
  const receiving = await Receiving.start({ ...options, isSwept: true });
  try {
    const slowest = { ready: 0, done: 0 };
    let acknowledged = 0;
    findings.tried = 0;
    for (let round = 1; round <= findings.rounds; round++)
      for (const outage of outages) {
        const where = `${outage.name}, round ${round}`;
        const played = await prepared(receiving);
        const telling = tellAll(receiving, played);
        await delay(SPREAD_MS / 2);
        await outage.begin();
        if (outage.end) {
          await delay(PAUSE_MS);
          await outage.end();
        }
        const seconds = await secondsTo('both are ready', 2 * READY_SECONDS, () => areReady(receiving));
        findings.expect(seconds <= READY_SECONDS, `${where}: ready only after ${seconds.toFixed(1)} s`);
        acknowledged += await telling;
        const begun = performance.now();
        await receiving.settle(0, DONE_SECONDS);
        slowest.ready = Math.max(slowest.ready, seconds);
        slowest.done = Math.max(slowest.done, (performance.now() - begun) / 1000);
        for (const scene of played) await scene.check(findings);
        findings.tried += played.length;
      }
    findings.number('outages', findings.rounds * outages.length);
    findings.number('deliveries acknowledged', acknowledged);
    findings.number('slowest to be ready, s', Number(slowest.ready.toFixed(1)));
    findings.number('slowest to have done all, s', Number(slowest.done.toFixed(1)));
  } finally {
    await receiving.close();
  }
}

async function prepared(receiving: Receiving): Promise<Scene[]> {
  const played: Scene[] = [];
  for (let set = 0; set < SETS; set++) {
    const tracked = await receiving.track();
    for (const make of scenes) played.push(await make(receiving, tracked));
  }
  return played;
}

/** Each at a moment of its own, under its own id and once under another. Answers how many were acknowledged: all of them, in the end. */
async function tellAll(receiving: Receiving, played: readonly Scene[]): Promise<number> {
  const all = played
    .flatMap(({ news }) => news)
    .flatMap((one) => [
      ...Array.from({ length: TIMES }, (): [News, string | undefined] => [one, undefined]),
      [one, randomUUID()] as [News, string],
    ]);
  await Promise.all(
    all.map(async ([one, id], at) => {
      await delay((SPREAD_MS * ((at * 7) % all.length)) / all.length);
      for (let url = at; !(await isTaken(receiving.url(url), one, id)); url++) await delay(AGAIN_MS);
    }),
  );
  return all.length;
}

async function isTaken(url: string, news: News, id: string | undefined): Promise<boolean> {
  const { path, headers, body } = news(id);
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body, signal }).catch(() => null);
  await answer?.arrayBuffer().catch(() => undefined);
  if (answer && answer.status < 500 && answer.status !== 200)
    throw new Error(`A delivery was answered with ${answer.status}.`);
  return answer?.status === 200;
}

async function areReady({ replicas }: Receiving): Promise<boolean> {
  const each = await Promise.all(
    replicas.map(({ url }) =>
      fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) }).then(
        ({ status }) => status === 200,
        () => false,
      ),
    ),
  );
  return each.every(Boolean);
}

async function secondsTo(what: string, most: number, holds: () => Promise<boolean>): Promise<number> {
  const begun = performance.now();
  await eventually(what, holds, most).catch(() => undefined);
  return (performance.now() - begun) / 1000;
}
