import { messageOf } from '../../src/kernel/index.js';
import { eventually } from '../support/eventually.js';
import { ordinaryDeliveries } from '../support/ordinary-deliveries.js';
import { paced } from '../support/paced.js';
import { withClient } from '../support/tables.js';
import { ToldCluster, type AskedFor } from '../support/told-cluster.js';
import { deliver } from '../support/webhooks.js';
import { figure, playsInFull, type Findings } from './figure.js';

const SEED = 20_261_128;
/** Of so many deliveries one asks for work; of so many of those one at GitHub, which takes few writes of an App. */
const [ASKS_ONE_IN, GITHUB_ONE_IN] = [20, 20];
/** Among so many organizations, since both systems' limits are an organization's. */
const ORGANIZATIONS = playsInFull ? 5 : 2;
const PER_SECOND = playsInFull ? 200 : 40;
const [ACK_P99_MS, ACK_MOST_MS, NOTICED_P95_MS] = [1000, 5000, 10_000];
/** So long is waited afterwards for what was not noticed, and for what was not handled. */
const AFTER_SECONDS = 120;
const LOOK_MS = 200;

interface Ask {
  dueAt: number;
  asked: AskedFor;
}

figure(
  {
    id: 'F20b',
    scenario: `${PER_SECOND} deliveries a second to one api and one worker, processes of their own, half of GitHub's and half of Linear's, of ${ORGANIZATIONS} organizations; one in ${ASKS_ONE_IN} is a member's ask for work (one of ${GITHUB_ONE_IN} of them a mention at GitHub, the others issues given to Berth in Linear), each in a conversation of its own and answered without an agent, the rest what goes on anyway`,
    line: `acknowledged within ${ACK_P99_MS / 1000} s (p99), never after ${ACK_MOST_MS / 1000} s; an ask is noticed where it was asked within ${NOTICED_P95_MS / 1000} s (p95); every delivery is handled, and no limit of the two systems is exceeded`,
    rounds: { small: 160, full: 60_000 },
    countedAt: 'the answers, from when each delivery was due; the books of both emulated systems; the rows',
    time: 'real',
    fullMinutes: 15,
  },
  async (findings) => {
    const told = await ToldCluster.start(ORGANIZATIONS, { apis: 1, workers: 1 });
    try {
      const { acks, asks, ordinary } = await send(told, findings);
      await waitFor(told, asks);
      judge(told, findings, acks, asks);
      await judgeRows(told, findings, ordinary);
    } finally {
      await told.close();
    }
  },
);

interface Sent {
  acks: number[];
  asks: Ask[];
  /** How many were no ask. */
  ordinary: number;
}

async function send(told: ToldCluster, findings: Findings): Promise<Sent> {
  const ordinary = ordinaryDeliveries(told, SEED);
  const asks: Ask[] = [];
  const ask = async (at: number): Promise<void> => {
    const organization = told.organizations[at % told.organizations.length];
    if (!organization) throw new Error('There is no organization.');
    const dueAt = Date.now();
    const isMention = at % GITHUB_ONE_IN === 3;
    asks.push({
      dueAt,
      asked: await (isMention ? told.mention(organization) : told.delegate(organization)),
    });
  };
  const one = async (): Promise<void> => {
    const { status, text } = await deliver(told.cluster.api.url, ordinary());
    if (status !== 200) throw new Error(`A delivery was answered ${status}: ${text}`);
  };
  const failures: string[] = [];
  const acks = await paced(PER_SECOND, findings.rounds, (at) =>
    // The wait for one that nobody answered counts like the others.
    (at % ASKS_ONE_IN === 0 ? ask(at / ASKS_ONE_IN) : one()).catch((error: unknown) =>
      failures.push(messageOf(error)),
    ),
  );
  findings.number('not acknowledged', failures.length);
  findings.expect(failures.length === 0, `${failures.length} were not acknowledged (${failures[0]})`);
  return { acks, asks, ordinary: findings.rounds - asks.length };
}

async function waitFor(told: ToldCluster, asks: Ask[]): Promise<void> {
  const isNoticed = (): boolean => asks.every(({ asked }) => asked.noticedAt() !== null);
  // What is not there by then is told by the lines.
  await eventually('every ask is noticed', isNoticed, AFTER_SECONDS, LOOK_MS).catch(() => undefined);
  const isHandled = async (): Promise<boolean> =>
    (await rowsOf(told)).every(({ state }) => state === 'processed');
  await eventually('every delivery is handled', isHandled, AFTER_SECONDS, LOOK_MS).catch(() => undefined);
}

function judge(told: ToldCluster, findings: Findings, acks: number[], asks: Ask[]): void {
  const waits = asks.map(({ dueAt, asked }) => (asked.noticedAt() ?? Infinity) - dueAt);
  const [p99, most, noticed] = [share(acks, 0.99), Math.max(...acks), share(waits, 0.95)];
  findings.number('acknowledged p50, ms', Math.round(share(acks, 0.5)));
  findings.number('acknowledged p99, ms', Math.round(p99));
  findings.number('acknowledged at the latest, ms', Math.round(most));
  findings.number('asks', asks.length);
  findings.number('noticed p50, ms', Math.round(share(waits, 0.5)));
  findings.number('noticed p95, ms', Math.round(noticed));
  findings.number('noticed at the latest, ms', Math.round(Math.max(...waits)));
  const never = waits.filter((wait) => !Number.isFinite(wait)).length;
  findings.expect(never === 0, `${never} asks were never noticed`);
  const { exceeded } = told.github.limits;
  const beyond = Object.values(exceeded).reduce((sum, count) => sum + count, told.linear.limits.refused);
  findings.number('calls beyond a limit', beyond);
  findings.expect(
    beyond === 0,
    `${beyond} calls went beyond a limit: ${JSON.stringify(exceeded)}, Linear ${told.linear.limits.refused}`,
  );
  // How fast a small run is, is no part of the line.
  if (!playsInFull) return;
  findings.expect(p99 <= ACK_P99_MS, `p99 of the acknowledgements is ${Math.round(p99)} ms`);
  findings.expect(most < ACK_MOST_MS, `one was acknowledged after ${Math.round(most)} ms`);
  findings.expect(noticed <= NOTICED_P95_MS, `p95 of the first signs is ${Math.round(noticed)} ms`);
}

/** Both systems tell also what Berth did there. */
async function judgeRows(told: ToldCluster, findings: Findings, ordinary: number): Promise<void> {
  const guids = told.github.hooks.deliveries.map(({ guid }) => guid);
  const ids = told.linear.webhooks.deliveries.map(({ id }) => id);
  const sent = ordinary + new Set([...guids, ...ids]).size;
  const rows = await rowsOf(told);
  const stored = rows.reduce((all, { told: n }) => all + n, 0);
  findings.expect(stored === sent, `${sent} were sent, and ${stored} are stored`);
  for (const { state, n } of rows)
    findings.expect(state === 'processed', `${n} deliveries are ${state} at the end`);
}

/** `told`: how many of them somebody told; what waits for long, Berth finds by itself as well. */
const rowsOf = (told: ToldCluster): Promise<{ state: string; n: number; told: number }[]> =>
  withClient(told.cluster.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ state: string; n: number; told: number }>(
      `SELECT state, count(*)::int AS n, count(*) FILTER (WHERE delivery_id NOT LIKE 'missed/%')::int AS told FROM delivery GROUP BY state`,
    );
    return rows;
  });

const share = (samples: number[], part: number): number =>
  samples.toSorted((a, b) => a - b)[Math.ceil(samples.length * part) - 1] ?? 0;
