import { setTimeout as delay } from 'node:timers/promises';
import type { Lease } from '../../src/contracts/index.js';
import { toBerthError } from '../../src/app/problem.js';
import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import { OwnPostgres } from '../support/own-postgres.js';
import { TestRedis } from '../support/redis.js';
import { figure, playsInFull, type Findings } from './figure.js';

/** What is done to a store, and what ends it, if it does not end by itself. */
interface Outage {
  name: string;
  begin(): Promise<unknown>;
  end?(): Promise<unknown>;
}

/** Workspaces that ask at the moment in which the login runs out. */
const CROWD = playsInFull ? 300 : 40;
const PAUSE_MS = playsInFull ? 30_000 : 1_000;
const READY_SECONDS = 30;
const REFRESH = { grant: 'refresh_token' };

const told = {
  line: 'one exchange each time and no refresh token used twice; every lease is given in the end, with what the provider honors; ready again within 30 s without a hand',
  countedAt: 'the book of the emulated token endpoint, and the tokens that leases hold',
  time: 'real' as const,
  fullMinutes: 20,
};

describe('the Redis of queue and notices', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.remove());

  figure(
    {
      ...told,
      id: 'F28 logins Redis',
      scenario: `${CROWD} workspaces on one login cross its expiry at two whole Berths; when the provider has renewed it and not answered yet, Redis is flushed, restarted, or killed with -9`,
      rounds: { small: 1, full: 10 },
    },
    (findings) =>
      onGround(redis.url, (ground) =>
        withstand(findings, ground, [
          { name: 'FLUSHALL', begin: () => redis.flush() },
          { name: 'restart', begin: () => redis.restart() },
          { name: 'kill -9', begin: () => redis.restart('kill') },
        ]),
      ),
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
      id: 'F28 logins Postgres',
      scenario: `the same while Postgres is restarted, paused for ${PAUSE_MS / 1000} s, or killed with -9; the queue is on Postgres, too`,
      rounds: { small: 1, full: 5 },
    },
    (findings) =>
      onGround(undefined, (ground) =>
        withstand(findings, ground, [
          { name: 'restart', begin: () => postgres.restart() },
          { name: 'pause', begin: () => postgres.pause(), end: () => postgres.resume() },
          { name: 'kill -9', begin: () => postgres.kill() },
        ]),
      ),
  );
});

async function onGround(
  redisUrl: string | undefined,
  work: (ground: LoginGround) => Promise<void>,
): Promise<void> {
  const ground = await LoginGround.start({ redisUrl });
  try {
    await work(ground);
  } finally {
    await ground.close();
  }
}

async function withstand(findings: Findings, ground: LoginGround, outages: Outage[]): Promise<void> {
  const ids = await ground.workspaces(CROWD);
  await ground.newLogin();
  let slowest = 0;
  let again = 0;
  findings.tried = 0;
  for (let round = 1; round <= findings.rounds; round++)
    for (const outage of outages) {
      const where = `${outage.name}, round ${round}`;
      ground.claude.logins.reset();
      await ground.runOut();
      ground.claude.fail({ mode: 'hold-after', match: REFRESH });
      const asked = ids.map((id, n) => leased(ground, id, n));
      const leases = Promise.allSettled(asked);
      await eventually('the provider has renewed it', () => ground.claude.logins.held === 1);
      await outage.begin();
      // Its answer comes while the store is away.
      ground.claude.logins.release();
      if (outage.end) {
        await delay(PAUSE_MS);
        await outage.end();
      }
      const seconds = await secondsToReady(ground);
      slowest = Math.max(slowest, seconds);
      findings.expect(seconds <= READY_SECONDS, `${where}: ready only after ${seconds.toFixed(1)} s`);
      for (const lease of await leases) {
        findings.tried++;
        if (lease.status === 'rejected') findings.breach(`${where}: a lease failed: ${String(lease.reason)}`);
        else again += lease.value.again;
        const isHonored = lease.status === 'fulfilled' && honors(ground, lease.value.lease);
        findings.expect(isHonored, `${where}: the provider does not honor what was leased`);
      }
      const { renewed, reused } = ground.exchanges;
      findings.expect(renewed === 1, `${where}: ${renewed} exchanges`);
      findings.expect(reused === 0, `${where}: ${reused} refresh tokens were used twice`);
    }
  findings.number('outages', findings.rounds * outages.length);
  findings.number('slowest to be ready, s', Number(slowest.toFixed(1)));
  findings.number('told to ask again', again);
}

function honors({ claude }: LoginGround, { secret }: Lease): boolean {
  return 'token' in secret && claude.logins.book.stateOf(secret.token)?.state === 'living';
}

/** A lease as a proxy takes one: asked for again while it is told to. */
async function leased(ground: LoginGround, id: string, at: number): Promise<{ lease: Lease; again: number }> {
  for (let again = 0; ; again++) {
    const answer = await ground.lease(id, at).catch(toBerthError);
    if (!(answer instanceof Error)) return { lease: answer, again };
    const { status, retryAfterSeconds } = answer;
    if (status !== 503 || retryAfterSeconds === undefined) throw answer;
    await delay(Math.min(retryAfterSeconds, 1) * 1000);
  }
}

/** Both of them. */
async function secondsToReady({ apps }: LoginGround): Promise<number> {
  const begun = performance.now();
  const isReady = (url: string): Promise<boolean> =>
    fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
      ({ status }) => status === 200,
      () => false,
    );
  await eventually(
    'both are ready',
    async () => (await Promise.all(apps.map(({ url }) => isReady(url)))).every(Boolean),
    2 * READY_SECONDS,
  ).catch(() => undefined);
  return (performance.now() - begun) / 1000;
}
