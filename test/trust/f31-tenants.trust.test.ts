import { Agent, request } from 'undici';
import { startTestApp, type TestApp, type TestOrganization } from '../support/app.js';
import { withClient } from '../support/tables.js';
import { furnish } from '../support/tenant-routes.js';
import { figure, playsInFull } from './figure.js';

let berth: TestApp;
let quiet: TestOrganization;
let noisy: TestOrganization;
beforeAll(async () => {
  berth = await startTestApp();
  [quiet, noisy] = [await berth.founded('quiet'), await berth.founded('noisy')];
  // The limit that every organization has where nobody said otherwise.
  await limitTo(quiet, 200);
});
afterAll(() => berth.close());

figure(
  {
    id: 'F31 own tools',
    scenario:
      'one organization with 150 open event streams, each sent back to connect again, and a person at work',
    line: '0 requests of our own page, stream and command refused by the organization’s own limit of 200 a second',
    rounds: { small: 1, full: 20 },
    countedAt: 'the answers',
    time: 'real',
  },
  async (findings) => {
    findings.tried = 0;
    const things = await furnish(berth, quiet);
    const { api, apiKey } = quiet.owner;
    for (let round = 0; round < findings.rounds; round++) {
      const hangUp = new AbortController();
      const streams = await Promise.all(
        Array.from({ length: 150 }, () =>
          fetch(`${berth.url}${api.path(`/workspaces/${things.workspaceId}/events`)}`, {
            headers: { authorization: `Bearer ${apiKey}`, accept: 'text/event-stream' },
            signal: hangUp.signal,
          }),
        ),
      );
      // What the page or the command asks while it shows a workspace.
      const looks = await Promise.all(
        ['', '/messages', '/operations'].map((rest) =>
          api.call('GET', api.path(`/workspaces/${things.workspaceId}${rest}`)),
        ),
      );
      for (const { status } of [...streams, ...looks]) {
        findings.tried += 1;
        findings.expect(status === 200, `round ${round}: ${status}`);
      }
      hangUp.abort();
      for (const { body } of streams) await body?.cancel().catch(() => undefined);
      await berth
        .api(null)
        .poll('a new second', async () =>
          (await api.call('GET', api.path(''))).headers.get('ratelimit-remaining') === '199' ? true : null,
        );
    }
  },
);

figure(
  {
    id: 'F31 noise',
    scenario:
      'a tenant with a limit of 20 a second asks as fast as 50 connections can, while another works; the same beside a tenant just below its limit, and alone',
    line: 'nobody gets more than its limit, and the noise beyond it slows the other by at most 10 % at p95',
    rounds: { small: 45, full: 9000 },
    countedAt: 'the clock of the quiet one, and the answers to the noisy one',
    time: 'real',
    fullMinutes: 30,
  },
  async (findings) => {
    await limitTo(noisy, NOISY_LIMIT);
    // The quiet one asks without a pause too, so that a run takes no longer than what it measures.
    await limitTo(quiet, 100_000);
    const { api } = quiet.owner;
    const look = async (): Promise<number> => {
      const begun = performance.now();
      const { status } = await api.call('GET', api.path('/members'));
      findings.expect(status === 200, `the quiet one was answered ${status}`);
      return performance.now() - begun;
    };
    for (let warm = 0; warm < 10; warm++) await look();
    const [alone, atLimit, beyond]: [number[], number[], number[]] = [[], [], []];
    const noise = { refused: 0, fine: 0, seconds: 0 };
    const part = Math.ceil(findings.rounds / 3);
    // In turns, so that what else the machine does falls on all three alike.
    for (let turn = 0; turn < 3; turn++) {
      await measure(alone, part, look);
      const steady = new Noise();
      await measure(atLimit, part, look, new Arrivals(NOISY_LIMIT - 1, () => steady.ask()));
      const loud = new Noise();
      const begun = performance.now();
      await besideNoise(loud, 50, () => measure(beyond, part, look));
      noise.seconds += (performance.now() - begun) / 1000;
      noise.fine += loud.fine;
      noise.refused += loud.refused;
    }
    const [p95alone, p95limit, p95beyond] = [p95(alone), p95(atLimit), p95(beyond)];
    findings.number('p95 alone ms', p95alone);
    findings.number('p95 beside a tenant at its limit ms', p95limit);
    findings.number('p95 beside a noisy tenant ms', p95beyond);
    findings.number('noise beyond the limit slows p95 by %', percent(p95beyond, p95limit));
    findings.number('noisy beside nobody at p95 by %', percent(p95beyond, p95alone));
    findings.number('noisy: answered per second', Math.round(noise.fine / noise.seconds));
    findings.number('noisy: refused per second', Math.round(noise.refused / noise.seconds));
    // Each of the three runs reaches into one second more than it lasts, at either end.
    findings.expect(
      noise.fine <= NOISY_LIMIT * (noise.seconds + 6),
      `the noisy one got ${noise.fine} answers in ${noise.seconds} s`,
    );
    findings.expect(noise.refused > 0, 'nothing of the noise was refused');
    // A few looks on a busy machine say nothing of p95: judged in full alone.
    if (playsInFull)
      findings.expect(p95beyond <= 1.1 * p95limit, `p95 went from ${p95limit} to ${p95beyond} ms`);
  },
);

/** Low, since tenants, noise and Berth share one process here: what is looked at is the noise beyond the limit, and not what a limit of so many costs. */
const NOISY_LIMIT = 20;

function limitTo({ id }: TestOrganization, perSecond: number): Promise<unknown> {
  return withClient(berth.database.ownerUrl, (client) =>
    client.query('UPDATE organization SET max_requests_per_second = $1 WHERE id = $2', [perSecond, id]),
  );
}

/** What the noisy one asks, and what came of it. */
class Noise {
  fine = 0;
  refused = 0;

  async ask(dispatcher?: Agent): Promise<void> {
    const { statusCode, body } = await request(`${berth.url}${noisy.owner.api.path('/members')}`, {
      ...(dispatcher ? { dispatcher } : {}),
      headers: { authorization: `Bearer ${noisy.owner.apiKey}` },
    });
    await body.dump();
    if (statusCode === 200) this.fine += 1;
    else this.refused += 1;
  }
}

/** Asks on so many connections as fast as they can, for as long as `work` lasts. */
async function besideNoise(noise: Noise, connections: number, work: () => Promise<void>): Promise<void> {
  const dispatcher = new Agent({ connections });
  let isOver = false;
  const loop = async (): Promise<void> => {
    while (!isOver) await noise.ask(dispatcher);
  };
  const loops = Array.from({ length: connections }, loop);
  await work().finally(() => (isOver = true));
  await Promise.all(loops);
  await dispatcher.close();
}

/** Requests that arrive at a steady rate by the clock, however long each takes. Whoever drives them sends what is due, between requests of their own. */
class Arrivals {
  readonly #begun = performance.now();
  readonly #sent: Promise<void>[] = [];

  constructor(
    private readonly perSecond: number,
    private readonly send: () => Promise<void>,
  ) {}

  sendDue(): void {
    const due = Math.floor(((performance.now() - this.#begun) / 1000) * this.perSecond);
    while (this.#sent.length < due) this.#sent.push(this.send());
  }

  async answered(): Promise<void> {
    await Promise.all(this.#sent);
  }
}

/** One after the other. */
async function measure(
  into: number[],
  times: number,
  look: () => Promise<number>,
  arrivals?: Arrivals,
): Promise<void> {
  for (let at = 0; at < times; at++) {
    arrivals?.sendDue();
    into.push(await look());
  }
  await arrivals?.answered();
}

function p95(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length * 0.95)] ?? 0) * 100) / 100;
}

const percent = (now: number, before: number): number => Math.round((now / before - 1) * 1000) / 10;
