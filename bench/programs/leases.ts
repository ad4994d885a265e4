import type { LoginCall } from '../../test/emulators/logins.js';
import { TOKEN_PATH } from '../../test/emulators/claude-logins.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { median, percentile, timed, timeRow } from '../support/samples.js';
import { LoginSystem, type LeaseClient } from '../support/token-clients.js';

const CROWD = 1_000;
/** Some minutes of work for one api: asked for by name alone. */
const LARGE_CROWD = 10_000;
const ROUNDS = 3;
const ANSWERS = 400;
const CALLERS = 10;
/** A lease should cost no more than so many answers that say nothing. */
const AIM = 2;

/** What it takes to be lent a credential: when it has just run out and a crowd asks for it, and when it is well. */
export const leases: Bench = { name: 'leases', run: (context) => run(context, CROWD) };
export const largeCrowd: Bench = {
  name: 'crowd',
  byName: true,
  run: (context) => run(context, LARGE_CROWD),
};

async function run(context: BenchContext, count: number): Promise<Row[]> {
  const system = await LoginSystem.start(context);
  await system.connect();
  const clients = await system.clients(count);
  return [...(await answers(context, system, clients)), ...(await crossing(context, system, clients))];
}

/** The token runs out, and everybody asks at once. */
async function crossing(context: BenchContext, system: LoginSystem, crowd: LeaseClient[]): Promise<Row[]> {
  context.say(`${crowd.length} workspaces at an expiry`);
  await system.connect();
  const before = await system.lease(nth(crowd, 0));
  await system.runOut();
  system.claude.logins.reset();
  const waits: number[] = [];
  await Promise.all(
    crowd.map(async (client) => {
      waits.push(
        await timed(async () => {
          const { generation } = await system.lease(client);
          if (generation !== before.generation + 1) throw new Error(`A lease of generation ${generation}.`);
        }),
      );
    }),
  );
  const { calls } = system.claude.logins;
  if (calls.length !== 1) throw new Error(`The provider was called ${calls.length} times: ${told(calls)}`);
  const memo = await memoized(system, crowd.length);
  const yardstick = { what: 'a memo in one process', samples: memo };
  const row = timeRow(
    `${crowd.length} workspaces at an expiry, 1 upstream call: wait of each`,
    waits,
    yardstick,
  );
  const slowest: Row = {
    ...row,
    what: '  besides: what 99 % do not exceed',
    measured: percentile(waits, 0.99),
    spread: null,
    yardstick: { what: yardstick.what, value: percentile(memo, 0.99) },
  };
  return [row, slowest];
}

/** As many callers of one function that remembers: one of them asks the provider, and all get its answer. */
async function memoized({ claude }: LoginSystem, count: number): Promise<number[]> {
  const { refreshToken } = claude.logins.issue();
  let flight: Promise<string> | undefined;
  const ask = async (): Promise<string> => {
    const response = await fetch(claude.url + TOKEN_PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'memo' }),
    });
    const { access_token: token } = (await response.json()) as { access_token?: string };
    if (token === undefined) throw new Error(`The provider answered ${response.status}.`);
    return token;
  };
  return Promise.all(Array.from({ length: count }, () => timed(() => (flight ??= ask()))));
}

/** Answers per second while the token serves, and of the same server's shortest answer. */
async function answers(context: BenchContext, system: LoginSystem, clients: LeaseClient[]): Promise<Row[]> {
  const lease = (at: number): Promise<unknown> => system.lease(nth(clients, at));
  const hello = (): Promise<unknown> => system.hello();
  const samples = { lease: [] as number[], hello: [] as number[] };
  await many(lease);
  await many(hello);
  for (let round = 1; round <= ROUNDS; round++) {
    context.say(`leases of a token that serves, round ${round} of ${ROUNDS}`);
    samples.lease.push((await timed(() => many(lease))) / ANSWERS);
    samples.hello.push((await timed(() => many(hello))) / ANSWERS);
  }
  const [ours, theirs] = [median(samples.lease), median(samples.hello)];
  const perSecond = (milliseconds: number): number => Math.round(1000 / milliseconds);
  const what = `a lease, ${CALLERS} callers (${perSecond(ours)}/s)`;
  const yardstick = {
    what: `a bare answer of the same server (${perSecond(theirs)}/s)`,
    samples: samples.hello,
  };
  return [{ ...timeRow(what, samples.lease, yardstick), aim: Math.round(AIM * theirs * 100) / 100 }];
}

async function many(ask: (at: number) => Promise<unknown>): Promise<void> {
  let left = ANSWERS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await ask(left);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** In turns, by so many as there are callers. */
function nth(clients: readonly LeaseClient[], at: number): LeaseClient {
  const client = clients[at % CALLERS];
  if (!client) throw new Error('There are too few workspaces.');
  return client;
}

function told(calls: readonly LoginCall[]): string {
  return calls.map(({ outcome }) => outcome).join();
}
