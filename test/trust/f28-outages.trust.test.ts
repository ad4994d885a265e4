import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkspaceSettings } from '../../src/workspaces/index.js';
import { Bench } from '../support/bench.js';
import { eventually } from '../support/eventually.js';
import { OwnPostgres } from '../support/own-postgres.js';
import { TestRedis } from '../support/redis.js';
import { figure, type Findings } from './figure.js';

/** What is done to a store, and what ends it, if it does not end by itself. */
interface Outage {
  name: string;
  begin(): Promise<unknown>;
  end?(): Promise<unknown>;
}

const CLIENTS = 8;
/** One in so many requests makes a workspace and has it deleted; the others are messages. */
const WORKSPACE_EVERY = 8;
const RETRY_MS = 100;
const READY_SECONDS = 30;
const isFull = process.env.BERTH_TRUST_RESULTS !== undefined;
const PAUSE_MS = isFull ? 30_000 : 1_000;
/** A request that nobody answers is sent again, as a client would. */
const REQUEST_MS = 5_000;

const told = {
  line: '0 acknowledged writes lost, each request has its effect once, ready again within 30 s without a hand',
  rounds: { small: 96, full: 4_000 },
  countedAt:
    'rows of messages and workspaces in Postgres, and calls at the runtime, against what clients were told',
  time: 'real' as const,
  fullMinutes: 30,
};

describe('the queue’s Redis', () => {
  let redis: TestRedis;
  let bench: Bench;
  beforeAll(async () => {
    redis = await TestRedis.start();
    bench = await open(redis.url);
  });
  afterAll(async () => {
    await bench.close();
    await redis.remove();
  });

  figure(
    {
      id: 'F28 Redis',
      scenario:
        'restart, pause, FLUSHALL and kill -9 of Redis, in turns, in the middle of messages and workspaces made and deleted, all with Idempotency-Key',
      ...told,
    },
    (findings) =>
      withstand(findings, bench, [
        { name: 'FLUSHALL', begin: () => redis.flush() },
        { name: 'restart', begin: () => redis.restart() },
        { name: 'pause', begin: () => redis.pause(), end: () => redis.resume() },
        { name: 'kill -9', begin: () => redis.restart('kill') },
      ]),
  );
});

describe('Postgres', () => {
  let postgres: OwnPostgres;
  let bench: Bench;
  beforeAll(async () => {
    postgres = await OwnPostgres.start();
    bench = await open();
  });
  afterAll(async () => {
    await bench.close();
    await postgres.remove();
  });

  figure(
    {
      id: 'F28 Postgres',
      scenario:
        'restart, pause and kill -9 of Postgres, in turns, in the middle of messages and workspaces made and deleted, all with Idempotency-Key; the queue is on Postgres, too',
      ...told,
    },
    (findings) =>
      withstand(findings, bench, [
        { name: 'restart', begin: () => postgres.restart() },
        { name: 'pause', begin: () => postgres.pause(), end: () => postgres.resume() },
        { name: 'kill -9', begin: () => postgres.kill() },
      ]),
  );
});

async function open(redisUrl?: string): Promise<Bench> {
  const repositories = { githubUrl: 'https://github.com', fileRoots: null, dataDirectory: '/nowhere' };
  const models = { claude: 'claude-test', codex: 'codex-test' };
  const workspaceSettings = new WorkspaceSettings(repositories, models, 1, 60);
  const bench = await Bench.start({ redisUrl, worker: true, parts: { workspaceSettings } });
  await bench.sweep.start();
  return bench;
}

/** Clients at work; at equal distances in their work one outage after the other. Then everything is counted. */
async function withstand(findings: Findings, bench: Bench, outages: Outage[]): Promise<void> {
  const home = await bench.create();
  const load = new Load(bench, home.id);
  const total = findings.rounds;
  let next = 0;
  const client = async (): Promise<void> => {
    for (let number = next++; number < total; number = next++) await load.one(number);
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  let slowest = 0;
  for (const [at, outage] of outages.entries()) {
    const due = Math.floor((total * (at + 0.5)) / outages.length);
    await eventually(`${due} were sent`, () => next >= due, 600);
    await outage.begin();
    if (outage.end) {
      await delay(PAUSE_MS);
      await outage.end();
    }
    const seconds = await secondsToReady(bench);
    slowest = Math.max(slowest, seconds);
    findings.expect(seconds <= READY_SECONDS, `after ${outage.name} it was ready only after ${seconds} s`);
  }
  await clients;
  await load.count(findings);
  findings.number('slowest to be ready, s', Number(slowest.toFixed(1)));
  findings.number('outages', outages.map(({ name }) => name).join(', '));
  findings.number('requests sent again', load.repeats);
}

async function secondsToReady(bench: Bench): Promise<number> {
  const begun = performance.now();
  const isReady = (): Promise<boolean> =>
    fetch(`${bench.app.url}/readyz`, { signal: AbortSignal.timeout(REQUEST_MS) }).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) {
    if (performance.now() - begun > 2 * READY_SECONDS * 1000) break;
    await delay(RETRY_MS);
  }
  return (performance.now() - begun) / 1000;
}

/** Requests as careful clients make them: with a key, and again until there is an answer. */
class Load {
  repeats = 0;
  readonly #texts: string[] = [];
  readonly #deleted: string[] = [];

  constructor(
    private readonly bench: Bench,
    private readonly home: string,
  ) {}

  async one(number: number): Promise<void> {
    if (number % WORKSPACE_EVERY === 0) {
      const { id } = await this.#send<{ id: string }>('POST', '/workspaces', { repository: 'acme/app' });
      await this.#send('DELETE', `/workspaces/${id}`);
      this.#deleted.push(id);
    } else {
      const text = `${number} ${randomUUID()}`;
      await this.#send('POST', `/workspaces/${this.home}/messages`, { text });
      this.#texts.push(text);
    }
  }

  /** At the other end, when the dust has settled. */
  async count(findings: Findings): Promise<void> {
    const rows = await this.bench.sql('SELECT text FROM message WHERE workspace_id = $1', [this.home]);
    const stored = rows.map(({ text }) => String(text));
    const lost = this.#texts.filter((text) => !stored.includes(text));
    for (const text of lost) findings.breach(`the message ${text} was acknowledged and is not there`);
    findings.expect(
      new Set(stored).size === stored.length && stored.length === this.#texts.length,
      `${this.#texts.length} messages were sent and ${stored.length} are there`,
    );
    const made = await this.bench.sql('SELECT id FROM workspace WHERE id <> $1', [this.home]);
    const left = (): string[] => [...made.map(({ id }) => String(id)), ...this.#deleted];
    await eventually('all that were deleted are gone', () => this.#areGone(left()), 60).catch(
      (error: unknown) => findings.breach(String(error)),
    );
    findings.expect(
      made.every(({ id }) => this.#deleted.includes(String(id))),
      'a workspace is there that nobody was told of',
    );
    findings.number('messages', this.#texts.length);
    findings.number('workspaces made and deleted', this.#deleted.length);
  }

  async #areGone(ids: string[]): Promise<boolean> {
    const there = await this.bench.app.runtime.list();
    const rows = await this.bench.sql('SELECT id FROM workspace WHERE id = ANY ($1)', [ids]);
    return rows.length === 0 && !ids.some((id) => there.includes(id));
  }

  async #send<T>(method: string, rest: string, body?: object): Promise<T> {
    const key = randomUUID();
    for (let times = 0; ; times++) {
      if (times > 0) this.repeats++;
      const answer = await this.#try(method, rest, key, body);
      if (answer?.status === 202) return (await answer.json()) as T;
      // No answer, or one that says to ask again: unavailable, too many, or the same request still under way.
      if (answer && answer.status < 500 && ![409, 429].includes(answer.status))
        throw new Error(`${method} ${rest} answered ${answer.status}: ${await answer.text()}`);
      await delay(RETRY_MS);
    }
  }

  async #try(method: string, rest: string, key: string, body?: object): Promise<Response | null> {
    const { url, apiKey } = this.bench.api;
    return fetch(url + this.bench.api.path(rest), {
      method,
      headers: {
        authorization: `Bearer ${apiKey ?? ''}`,
        'idempotency-key': key,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS),
    }).catch(() => null);
  }
}
