import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { embeddedSuperuserUrl } from '../../src/database/embedded/index.js';
import { withDatabase } from '../../test/support/postgres.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { timed, timeRow } from '../support/samples.js';
import { BenchSystem, isState } from '../support/system.js';

const SLEEPING = [1_000, 10_000, 100_000];
const SWEEPS = 20;
const AT_ONCE = 200;
/** Longer than a list of folders is not trusted because they may still change. */
const SETTLE_MS = 1_500;

/** What a sweep costs while ever more workspaces sleep: rows and folders of each are there. Meant to be flat. */
export const sweep: Bench = { name: 'sweep', run };

async function run(context: BenchContext): Promise<Row[]> {
  const system = await BenchSystem.start(context);
  const { id, stream } = await system.runningWorkspace(context);
  await system.api.post(system.api.path(`/workspaces/${id}/hibernate`), {}, 202);
  await stream.next('it sleeps', isState('hibernated'));
  const url = withDatabase(await embeddedSuperuserUrl(`${system.berth.dataDirectory}/postgres`), 'berth');
  const client = new Client({ connectionString: url });
  await client.connect();
  context.defer(() => client.end());
  const rows: Row[] = [];
  let yardstick: { what: string; samples: number[] } | null = null;
  let there = 1;
  for (const count of SLEEPING) {
    context.say(`${count} sleeping workspaces`);
    await addSleeping(system, client, id, count - there);
    there = count;
    // The first one asks for the rows of every new folder.
    const first = await timed(() => look(system));
    await delay(SETTLE_MS);
    await look(system);
    const samples: number[] = [];
    for (let round = 0; round < SWEEPS; round++) {
      context.say(`${count} sleeping workspaces, sweep ${round + 1}`);
      samples.push(await timed(() => look(system)));
    }
    yardstick ??= { what: `the same with ${SLEEPING[0] ?? 0}`, samples };
    rows.push(timeRow(`a sweep with ${count} sleeping workspaces`, samples, yardstick));
    rows.push(timeRow('  besides: the first one after they came', [first]));
  }
  return rows;
}

/** The dry run is what a sweep costs when nothing is due: it does nothing further. */
async function look({ api }: BenchSystem): Promise<void> {
  const { body } = await api.get<{ due: { total: number }; orphans: { total: number } | null }>(
    '/api/v1/instance/sweep',
  );
  if (body.due.total > 0 || body.orphans?.total !== 0)
    throw new Error(`Something is due: ${JSON.stringify(body).slice(0, 200)}`);
}

async function addSleeping(system: BenchSystem, client: Client, model: string, count: number): Promise<void> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT gen_random_uuid()::text AS id FROM generate_series(1, $1)',
    [count],
  );
  const ids = rows.map((row) => row.id);
  // Rows first, as in life: a folder without a row is an orphan.
  await client.query(
    `INSERT INTO workspace SELECT (jsonb_populate_record(w, jsonb_build_object('id', new.id))).* FROM workspace w, unnest($1::uuid[]) AS new(id) WHERE w.id = $2`,
    [ids, model],
  );
  await client.query('ANALYZE workspace');
  for (let from = 0; from < ids.length; from += AT_ONCE)
    await Promise.all(
      ids
        .slice(from, from + AT_ONCE)
        .map((id) => mkdir(path.join(system.filesOf(id), 'tree'), { recursive: true })),
    );
}
