import { fork } from 'node:child_process';
import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { tieGithub } from '../../test/support/connections.js';
import { paced } from '../../test/support/paced.js';
import { withClient } from '../../test/support/tables.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import type { BareWebhooksOptions, BareWebhooksUrls } from '../support/bare-webhooks.js';
import { startCluster, startPostgres } from '../support/cluster.js';
import { within } from '../support/deadline.js';
import { median, percentile, timed, timeRow } from '../support/samples.js';

const SECRET = 'the-secret-of-the-bench';
const SLUG = 'berth-bench';
const FIXTURE = new URL(
  '../../test/fixtures/github/issue_comment.created.on-pull-request.json',
  import.meta.url,
);
const INSTALLATION = 7;
const WARM_UP = 200;
const ROUNDS = 3;
const DELIVERIES = 1_000;
const CALLERS = 32;
const PACED_SECONDS = 10;
/** What GitHub has to be answered within is 10 s; this is what the project wants at half of the most. */
const AIM_MS = 100;

/** Webhooks of GitHub at an api: verified, stored and queued; beside two that only verify. */
export const webhooks: Bench = { name: 'webhooks', run };

type Deliver = () => Promise<void>;

async function run(context: BenchContext): Promise<Row[]> {
  const { berth, nest, octokit, stored } = await startAll(context);
  context.say('warming up');
  for (const deliver of [berth, nest, octokit]) await many(deliver, WARM_UP);
  const samples = { berth: [] as number[], nest: [] as number[], octokit: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    context.say(`${DELIVERIES} deliveries, round ${round + 1} of ${ROUNDS}`);
    samples.berth.push(await timed(() => many(berth, DELIVERIES)));
    samples.nest.push(await timed(() => many(nest, DELIVERIES)));
    samples.octokit.push(await timed(() => many(octokit, DELIVERIES)));
  }
  const perSecond = DELIVERIES / (median(samples.berth) / 1000);
  context.say(`at half of ${Math.round(perSecond)} a second`);
  const half = (deliver: Deliver) =>
    paced(perSecond / 2, Math.round((perSecond / 2) * PACED_SECONDS), deliver);
  const [ours, theirs] = [await half(berth), await half(octokit)];
  const expected = WARM_UP + ROUNDS * DELIVERIES + ours.length;
  if ((await stored()) !== expected)
    throw new Error(`${expected} deliveries were sent, and others are stored.`);
  const what = `${DELIVERIES} deliveries by ${CALLERS} callers`;
  const middleware = 'Octokit’s middleware for Node, which keeps nothing';
  return [
    timeRow(what, samples.berth, { what: 'a bare Nest route that only verifies', samples: samples.nest }),
    {
      ...timeRow(what, samples.berth, { what: middleware, samples: samples.octokit }),
      aim: Math.round(median(samples.octokit)),
    },
    timeRow('a delivery at half of the most', ours, { what: middleware, samples: theirs }),
    {
      what: '  99 % of them within',
      unit: 'ms',
      measured: percentile(ours, 0.99),
      spread: null,
      yardstick: { what: middleware, value: percentile(theirs, 0.99) },
      aim: AIM_MS,
    },
  ];
}

/** An api without a worker, so that nothing is done about what comes; and the two beside it. */
async function startAll(context: BenchContext) {
  await startPostgres(context);
  const { api, database } = await startCluster(context, { apis: 1, workers: 0, environment: appOf() });
  const organization = (await api.get<{ id: string }>(api.path(''))).body;
  const recorded = JSON.parse(await readFile(FIXTURE, 'utf8')) as { comment: object };
  // A mention: what needs nothing is done as it is stored, without a job.
  const comment = { ...recorded.comment, body: `@${SLUG} please have a look` };
  const body = JSON.stringify({ ...recorded, comment, installation: { id: INSTALLATION } });
  await tieGithub(database.ownerUrl, organization.id, String(INSTALLATION));
  const urls = await startBare(context);
  const at = (url: string): Deliver => delivering(url, body);
  const stored = (): Promise<number> =>
    withClient(database.ownerUrl, async (client) => {
      const { rows } = await client.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM delivery WHERE organization_id = $1 AND state = 'received'`,
        [organization.id],
      );
      return rows[0]?.n ?? 0;
    });
  return { berth: at(`${api.url}/webhooks/github`), nest: at(urls.nest), octokit: at(urls.octokit), stored };
}

/** An App of the environment: nobody is asked for it here. */
function appOf(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    GITHUB_APP_ID: '1',
    GITHUB_APP_SLUG: SLUG,
    GITHUB_APP_CLIENT_ID: 'bench',
    GITHUB_APP_CLIENT_SECRET: 'bench',
    GITHUB_APP_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    GITHUB_WEBHOOK_SECRET: SECRET,
  };
}

async function startBare(context: BenchContext): Promise<BareWebhooksUrls> {
  const program = fileURLToPath(new URL('../support/bare-webhooks.ts', import.meta.url));
  const child = fork(program, {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  context.defer(async () => {
    child.kill();
    await exited;
  });
  const answer = once(child, 'message') as Promise<[BareWebhooksUrls]>;
  child.send({ secret: SECRET } satisfies BareWebhooksOptions);
  const [urls] = await within('the bare servers listen', answer);
  return urls;
}

/** Each with an id of its own, which is what it is known by. */
function delivering(url: string, body: string): Deliver {
  const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'issue_comment',
    'x-hub-signature-256': signature,
  };
  return async () => {
    const init = { method: 'POST', headers: { ...headers, 'x-github-delivery': randomUUID() }, body };
    const answer = await fetch(url, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 200)}`);
  };
}

async function many(deliver: Deliver, count: number): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await deliver();
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}
