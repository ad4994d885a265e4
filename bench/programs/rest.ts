import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { WorkspaceView } from '../../src/contracts/index.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import type { BareNestOptions } from '../support/bare-nest.js';
import { startCluster, startPostgres } from '../support/cluster.js';
import { within } from '../support/deadline.js';
import { timed, timeRow } from '../support/samples.js';
import { API_KEY } from '../support/system.js';

const PAGE = 50;
const LISTS = 200;
const CREATES = 100;
/** And many at once: so many rounds of so many requests, by so many callers. */
const ROUNDS = 3;
const REQUESTS = 100;
const CALLERS = 10;
/** Not what is measured: far more than asked for. */
const LIMITS = { workspaces: 100_000, running: 100_000, requestsPerSecond: 100_000 };

/** Listing and creating workspaces over REST, and by a bare Nest route with the same queries on the same database. */
export const rest: Bench = { name: 'rest', run };

/** One of the two, as its caller sees it. */
interface Server {
  list: () => Promise<unknown>;
  create: () => Promise<unknown>;
}

async function run(context: BenchContext): Promise<Row[]> {
  const [berth, bare] = await startBoth(context);
  context.say('warming up');
  // A full page is there before it is listed.
  for (let count = 0; count < PAGE; count++) for (const server of [berth, bare]) await server.create();
  for (let count = 0; count < PAGE; count++) for (const server of [berth, bare]) await server.list();
  const what = { what: 'a bare Nest route with the same query' };
  const row = (name: string, { ours, yardstick }: Samples): Row =>
    timeRow(name, ours, { ...what, samples: yardstick });
  context.say('listing');
  const lists = await inTurns(LISTS, berth.list, bare.list);
  context.say('creating');
  const creates = await inTurns(CREATES, berth.create, bare.create);
  context.say('listing, many at once');
  const manyLists = await inTurns(ROUNDS, many(berth.list), many(bare.list));
  context.say('creating, many at once');
  const manyCreates = await inTurns(ROUNDS, many(berth.create), many(bare.create));
  return [
    row(`GET /workspaces, a page of ${PAGE}`, lists),
    row('POST /workspaces', creates),
    row(`${REQUESTS} times GET /workspaces by ${CALLERS} callers`, manyLists),
    row(`${REQUESTS} times POST /workspaces by ${CALLERS} callers`, manyCreates),
  ];
}

/** An api without a worker, so that nothing happens to what is created; and the bare application on its database. */
async function startBoth(context: BenchContext): Promise<[Server, Server]> {
  await startPostgres(context);
  const { api, database } = await startCluster(context, { apis: 1, workers: 0 });
  await api.call('PATCH', api.path('/limits'), LIMITS, 200);
  await api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  const organization = await api.get<{ id: string }>(api.path(''));
  const model = await api.createWorkspace({ repository: 'acme/app' });
  const url = await startBare(context, {
    databaseUrl: database.ownerUrl,
    organizationId: organization.body.id,
    ownerId: model.owner.id,
    credentialId: model.credential?.id ?? '',
  });
  const server = (at: string, apiKey: string | null): Server => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey ?? ''}` };
    const body = JSON.stringify({ repository: 'acme/app', agent: 'claude' });
    return {
      list: () => asked<{ items: WorkspaceView[] }>(`${at}?limit=${PAGE}`, { headers }),
      create: () => asked<WorkspaceView>(at, { method: 'POST', headers, body }),
    };
  };
  return [server(`${api.url}${api.path('/workspaces')}`, api.apiKey), server(`${url}/workspaces`, null)];
}

async function startBare(context: BenchContext, options: BareNestOptions): Promise<string> {
  const program = fileURLToPath(new URL('../support/bare-nest.ts', import.meta.url));
  const child = fork(program, {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  context.defer(async () => {
    child.kill();
    await exited;
  });
  const answer = once(child, 'message') as Promise<[{ url: string }]>;
  child.send(options);
  const [{ url }] = await within('the bare application listens', answer);
  return url;
}

async function asked<T>(url: string, init: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 200)}`);
  return JSON.parse(text) as T;
}

interface Samples {
  ours: number[];
  yardstick: number[];
}

/** One after the other, and another one first the next time. */
async function inTurns(
  count: number,
  ours: () => Promise<unknown>,
  yardstick: () => Promise<unknown>,
): Promise<Samples> {
  const samples: Samples = { ours: [], yardstick: [] };
  for (let round = 0; round < count; round++) {
    const both = [
      async () => samples.ours.push(await timed(ours)),
      async () => samples.yardstick.push(await timed(yardstick)),
    ];
    for (const one of round % 2 === 0 ? both : both.reverse()) await one();
  }
  return samples;
}

function many(ask: () => Promise<unknown>): () => Promise<unknown> {
  return () => {
    let left = REQUESTS;
    const caller = async (): Promise<void> => {
      while (left-- > 0) await ask();
    };
    return Promise.all(Array.from({ length: CALLERS }, caller));
  };
}
