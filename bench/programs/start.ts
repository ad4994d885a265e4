import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded/index.js';
import { silentLog } from '../../src/kernel/index.js';
import type { BerthProcess } from '../../test/support/berth.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { timed, timeRow } from '../support/samples.js';
import { startBerth } from '../support/system.js';

const ROUNDS = 5;

/** From the start of the process to the first good answer of `/readyz`, on a data directory that was used before. */
export const start: Bench = { name: 'start', run };

async function run(context: BenchContext): Promise<Row[]> {
  const berth = await startBerth(context);
  await berth.setUp();
  await berth.stop();
  const [node, postgres, ready]: [number[], number[], number[]] = [[], [], []];
  for (let round = 1; round <= ROUNDS; round++) {
    context.say(`round ${round} of ${ROUNDS}`);
    // Side by side in each round, so that what disturbs the machine disturbs all three.
    node.push(await timed(nodeDoesNothing));
    postgres.push(await postgresAlone(path.join(berth.dataDirectory, 'postgres')));
    ready.push(await timed(() => startUntilReady(berth)));
    await berth.stop();
  }
  return [
    timeRow('start to /readyz', ready, {
      what: 'embedded Postgres alone, to first query',
      samples: postgres,
    }),
    timeRow('start to /readyz', ready, { what: 'node -e 0', samples: node }),
  ];
}

async function startUntilReady(berth: BerthProcess): Promise<void> {
  await berth.start();
  const { status } = await fetch(`${berth.url}/readyz`);
  if (status !== 200) throw new Error(`/readyz answered ${status}.`);
}

async function nodeDoesNothing(): Promise<void> {
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' });
  await once(child, 'exit');
}

/** The same code and the same cluster as Berth's own start, without Berth. Stopping it is not counted. */
async function postgresAlone(directory: string): Promise<number> {
  const begun = performance.now();
  const postgres = await startEmbeddedPostgres({ directory, log: silentLog });
  try {
    const client = new Client({ connectionString: postgres.ownerUrl });
    await client.connect();
    try {
      await client.query('SELECT 1');
      return performance.now() - begun;
    } finally {
      await client.end();
    }
  } finally {
    await postgres.stop();
  }
}
