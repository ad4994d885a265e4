import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { Crowd, placeOfGround, type CrowdPlace } from './support/crowd.js';
import { LoginCluster } from './support/login-cluster.js';

/** How long the provider takes, for each of the logins. */
const DELAYS_SECONDS = playsInFull ? [15, 60, 120] : [0.2, 0.4, 0.6];
const WORKSPACES_EACH = playsInFull ? 340 : 10;
/** After so long without an answer a proxy hangs up. */
const LONGEST_SECONDS = 60;

figure(
  {
    id: 'F2 slow provider',
    scenario: `${WORKSPACES_EACH * 3} workspaces on three logins ask at the moment they run out, and ask again when they are told to; the provider takes ${DELAYS_SECONDS.join(', ')} s to renew them, side by side; ${
      playsInFull ? '2 api and 2 worker, processes of their own' : 'two whole Berths in one process'
    }`,
    line: `one exchange for each login; each request is answered with a lease, or with 503 and Retry-After, within ${LONGEST_SECONDS} s`,
    rounds: { small: 1, full: 1 },
    countedAt: 'the book of the emulated token endpoint; the answers to the proxies',
    time: 'real',
  },
  async (findings) => {
    if (playsInFull) {
      const cluster = await LoginCluster.start();
      await wait(cluster.place, findings).finally(() => cluster.close());
    } else {
      const ground = await LoginGround.start();
      await wait(placeOfGround(ground), findings).finally(() => ground.close());
    }
  },
);

async function wait(place: CrowdPlace, findings: Findings): Promise<void> {
  const { logins } = place.claude;
  const crowds: Crowd[] = [];
  for (const _seconds of DELAYS_SECONDS) crowds.push(await Crowd.gather(place, WORKSPACES_EACH, 1));
  place.claude.fail({ mode: 'hold-after', match: { grant: 'refresh_token' }, times: crowds.length });
  const tally = { requests: 0, retries: 0, longestMs: 0 };
  const begun = performance.now();
  const waiting: Promise<void>[] = [];
  for (const [at, crowd] of crowds.entries()) {
    await crowd.runOut();
    waiting.push(...Array.from({ length: crowd.size }, (_, n) => persist(crowd, n, tally, findings)));
    // Held ones go on in the order in which they came.
    await eventually('the provider was asked', () => logins.held > at, 60);
  }
  for (const seconds of DELAYS_SECONDS) {
    await delay(Math.max(0, begun + seconds * 1000 - performance.now()));
    logins.release();
  }
  await Promise.all(waiting);
  for (const [at, crowd] of crowds.entries()) {
    const [count] = crowd.renewals;
    findings.expect(count === 1, `${count} exchanges where the provider took ${DELAYS_SECONDS[at]} s`);
    findings.expect(crowd.misused === 0, `${crowd.misused} refresh tokens were used twice`);
  }
  findings.tried = tally.requests;
  findings.number('answered with 503 and Retry-After', tally.retries);
  findings.number('longest request, s', Math.round(tally.longestMs / 100) / 10);
}

/** Asks until there is a lease, as a proxy does. */
async function persist(
  crowd: Crowd,
  n: number,
  tally: { requests: number; retries: number; longestMs: number },
  findings: Findings,
): Promise<void> {
  for (;;) {
    const { lease, status, retryAfter, milliseconds } = await crowd.lease(n);
    tally.requests += 1;
    tally.longestMs = Math.max(tally.longestMs, milliseconds);
    findings.expect(milliseconds <= LONGEST_SECONDS * 1000, `a request took ${milliseconds} ms`);
    if (lease) {
      findings.expect(crowd.isHonored(lease), 'the provider does not take what was lent');
      return;
    }
    const isClear = status === 503 && Number(retryAfter) > 0;
    findings.expect(isClear, `${status} with Retry-After ${retryAfter}`);
    if (!isClear) return;
    tally.retries += 1;
    await delay(Number(retryAfter) * 1000);
  }
}
