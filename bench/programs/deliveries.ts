import { eventually } from '../../test/support/eventually.js';
import { ordinaryDeliveries } from '../../test/support/ordinary-deliveries.js';
import { withClient } from '../../test/support/tables.js';
import { ToldCluster, type AskedFor, type ToldOrganization } from '../../test/support/told-cluster.js';
import { deliver } from '../../test/support/webhooks.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { startPostgres } from '../support/cluster.js';
import { median, percentile } from '../support/samples.js';

const SEED = 20_261_129;
const BACKLOG = 10_000;
/** Of the backlog, one in so many is somebody's ask: of these, one in so many at GitHub. */
const [ASKS_ONE_IN, GITHUB_ONE_IN] = [50, 4];
const ORGANIZATIONS = 2;
const CALLERS = 32;
const AT_ONCE = 100;
const ROUNDS = 3;
const DRAIN_SECONDS = 900;
const LOOK_MS = 100;
/** Linear shows after ten seconds that nobody answers. */
const AIM_MS = 2_000;

/** What a worker does about deliveries: a backlog of them, and how soon it shows where it was asked that it was heard. */
export const deliveries: Bench = { name: 'deliveries', run };

async function run(context: BenchContext): Promise<Row[]> {
  await startPostgres(context);
  const environment = { LOG_LEVEL: 'warn' };
  const told = await ToldCluster.start(ORGANIZATIONS, { apis: 1, workers: 1, environment });
  context.defer(() => told.close());
  return [...(await signs(told, context)), await backlog(told, context)];
}

/** A hundred issues are given to Berth at the same moment: how soon each shows a sign of life. */
async function signs(told: ToldCluster, context: BenchContext): Promise<Row[]> {
  const waits: number[] = [];
  // The first of a worker loads what it needs for Linear.
  for (let round = 0; round <= ROUNDS; round++) {
    context.say(`${AT_ONCE} issues are given to Berth at once, round ${round} of ${ROUNDS}`);
    const begun = Date.now();
    const asks = await Promise.all(
      Array.from({ length: AT_ONCE }, () => told.delegate(organizationOf(told, 0))),
    );
    await noticed(asks);
    if (round > 0) waits.push(...asks.map(({ noticedAt }) => (noticedAt() ?? Infinity) - begun));
    await drained(told);
  }
  const row = { unit: 'ms' as const, yardstick: null };
  return [
    {
      ...row,
      what: `given to Berth, ${AT_ONCE} at once, to the first sign of life`,
      measured: median(waits),
      spread: { samples: waits.length, p95: percentile(waits, 0.95) },
      aim: null,
    },
    { ...row, what: '  99 % of them within', measured: percentile(waits, 0.99), spread: null, aim: AIM_MS },
  ];
}

/** What came while there was no worker. */
async function backlog(told: ToldCluster, context: BenchContext): Promise<Row> {
  const worker = told.cluster.process('worker-1');
  await worker.stop();
  context.say(`${BACKLOG} deliveries while there is no worker`);
  await arrive(told);
  context.say('and what a worker does about them');
  await worker.start();
  const begun = performance.now();
  await drained(told);
  const measured = performance.now() - begun;
  const { exceeded } = told.github.limits;
  const beyond = Object.values(exceeded).reduce((sum, count) => sum + count, told.linear.limits.refused);
  return {
    what: `${BACKLOG} deliveries drained, ${BACKLOG / ASKS_ONE_IN} of them asks; calls beyond a limit: ${beyond}`,
    unit: 'ms',
    measured,
    spread: null,
    yardstick: null,
    aim: null,
  };
}

async function arrive(told: ToldCluster): Promise<void> {
  const ordinary = ordinaryDeliveries(told, SEED);
  let at = 0;
  const caller = async (): Promise<void> => {
    while (at < BACKLOG) {
      const number = at++;
      if (number % ASKS_ONE_IN === 0) await ask(told, number / ASKS_ONE_IN);
      else {
        const { status, text } = await deliver(told.cluster.api.url, ordinary());
        if (status !== 200) throw new Error(`A delivery was answered ${status}: ${text}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

function ask(told: ToldCluster, number: number): Promise<AskedFor> {
  const organization = organizationOf(told, number);
  return number % GITHUB_ONE_IN === 0 ? told.mention(organization) : told.delegate(organization);
}

function organizationOf({ organizations }: ToldCluster, number: number): ToldOrganization {
  const found = organizations[number % organizations.length];
  if (!found) throw new Error('There is no organization.');
  return found;
}

function noticed(asks: AskedFor[]): Promise<void> {
  const all = (): boolean => asks.every(({ noticedAt }) => noticedAt() !== null);
  return eventually('every ask is noticed', all, DRAIN_SECONDS, LOOK_MS);
}

/** Until every delivery is handled. */
async function drained({ cluster }: ToldCluster): Promise<void> {
  const isDrained = (): Promise<boolean> =>
    withClient(cluster.database.ownerUrl, async (client) => {
      const { rows } = await client.query(
        `SELECT 1 FROM delivery WHERE state IN ('received', 'processing') LIMIT 1`,
      );
      return rows.length === 0;
    });
  await eventually('every delivery is handled', isDrained, DRAIN_SECONDS, LOOK_MS);
}
