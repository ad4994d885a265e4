import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { agentProgram } from '../emulators/run-agents.js';
import { BerthProcess } from '../support/berth.js';
import { Cluster } from '../support/cluster.js';
import { eventually } from '../support/eventually.js';
import { withClient } from '../support/tables.js';
import { expectCompletedOnce, expectWhole, statesOf } from './support/events.js';
import { processesNaming, runnerOf } from './support/processes.js';
import { makeRepository } from './support/repository.js';
import { credentials } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/** Two api and two worker processes on one Postgres, with Redis and without: any of them may be taken away, and nothing is lost. */

const MINUTES = 60_000;
const MAX_WORKSPACES = 12;

describe.each([
  { name: 'Postgres', withRedis: false, killed: ['api-1', 'worker-1'] },
  { name: 'Redis', withRedis: true, killed: ['api-2', 'worker-2'] },
])('two api and two worker with queue and notices on $name', ({ withRedis, killed }) => {
  let folder: string;
  let anthropic: AnthropicEmulator;
  let cluster: Cluster;
  /** A workspace on each worker, by the worker's name. */
  const placed = new Map<string, string>();

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'berth-e2e-cluster-'));
    anthropic = await startAnthropicEmulator({ compress: true });
    anthropic.accept(credentials.anthropicApiKey);
    cluster = await Cluster.start({
      withRedis,
      environment: {
        BERTH_ANTHROPIC_API_URL: anthropic.url,
        CLAUDE_BIN: agentProgram('CLAUDE_BIN'),
      },
    });
    await cluster.api.setCredential('user', 'anthropic_api_key', { apiKey: credentials.anthropicApiKey });
  }, 3 * MINUTES);
  afterAll(async () => {
    await cluster.close();
    await anthropic.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }, 2 * MINUTES);

  let made = 0;
  const newRepository = async (): Promise<string> =>
    (await makeRepository(path.join(folder, `repository-${made++}`))).url;

  it(
    'streams the events of a workspace that was made on one api from the other',
    async () => {
      const [one, other] = [cluster.at('api-1'), cluster.at('api-2')];
      const { id } = await one.createWorkspace({
        repository: await newRepository(),
        agent: 'claude',
        message: 'create hello.txt',
      });
      const seen = await other.stream(id, null, (events) =>
        events.some(({ data }) => data.state === 'completed' && data.attempts === 1),
      );
      expectWhole(seen);
      expect(statesOf(seen)).toEqual(['provisioning', 'running']);
      // And the other way round, to a reader who is there already.
      const after = seen.length;
      const streamed = one.stream(id, String(after), (events) =>
        events.some(({ data }) => data.state === 'completed'),
      );
      await other.send(id, 'remember pineapple');
      const live = await streamed;
      // The list has what came after the reader hung up, too.
      expect(live).toEqual((await one.events(id, after)).slice(0, live.length));
    },
    2 * MINUTES,
  );

  it(
    'places workspaces on both workers, each on one of them',
    async () => {
      const workers = cluster.names.filter((name) => name.startsWith('worker'));
      const spare: string[] = [];
      // Two at once, and none removed in between: one after the other, with a job for its removal each, could go to the two workers in strict turns.
      for (let n = 0; n < MAX_WORKSPACES && placed.size < workers.length; n += 2) {
        const pair = await Promise.all(
          ['api-1', 'api-2'].map(async (api) =>
            cluster.at(api).createWorkspace({ repository: await newRepository(), agent: 'claude' }),
          ),
        );
        for (const { id } of pair) {
          await cluster.api.untilState(id, 'running');
          const host = cluster.hostOf(id) ?? '';
          if (placed.has(host)) spare.push(id);
          else placed.set(host, id);
        }
      }
      await Promise.all(spare.map((id) => cluster.deleteWorkspace(id)));
      expect([...placed.keys()].sort()).toEqual(workers);
    },
    3 * MINUTES,
  );

  // One of each role: its like does the same. F20 roles kills them at every named place, on either store.
  it.each(killed)(
    'loses nothing at kill -9 of %s in the middle of turns on both workers',
    async (name) => {
      const alive = cluster.at(name === 'api-1' ? 'api-2' : 'api-1');
      const system = { api: alive, treeOf: (id: string) => cluster.treeOf(id) };
      const turns = new Map<string, Awaited<ReturnType<typeof startGatedTurn>>>();
      for (const id of placed.values()) turns.set(id, await startGatedTurn(system, id, name));
      const runners = [...placed.values()].map((id) => runnerOf(cluster.filesOf(id)));

      await cluster.kill(name);
      // Asked for while it is away.
      const { id: meanwhile } = await alive.createWorkspace({
        repository: await newRepository(),
        agent: 'claude',
        message: 'create hello.txt',
      });
      for (const turn of turns.values()) await turn.open();
      await cluster.start(name);

      for (const [id, turn] of turns) {
        await expectCompletedOnce(alive, id, turn.message, { answer: 'the gate is open', attempts: 1 });
        expect(await turn.timesRun()).toBe(1);
        expectWhole(await alive.events(id));
      }
      const [first] = await alive.messages(meanwhile);
      expect(await alive.untilEnded(meanwhile, first?.id ?? '')).toMatchObject({ state: 'completed' });
      expect(statesOf(await alive.events(meanwhile))).toEqual(['provisioning', 'running']);
      expect([...placed.values()].map((id) => runnerOf(cluster.filesOf(id)))).toEqual(runners);
      await cluster.deleteWorkspace(meanwhile);
    },
    3 * MINUTES,
  );

  it('does not let a second worker have the data directory of one that runs', async () => {
    const { dataDirectory, environment } = cluster.process('worker-1');
    const { code, output } = await BerthProcess.refused({ ...environment, BERTH_DATA_DIR: dataDirectory });
    expect(code).toBe(1);
    expect(output).toContain('data-directory-in-use');
    expect(output).toContain(dataDirectory);
  });

  it(
    'leaves nothing behind where its workspaces are deleted',
    async () => {
      const { items } = (
        await cluster.api.get<{ items: { id: string }[] }>(cluster.api.path('/workspaces?limit=100'))
      ).body;
      for (const { id } of items) await cluster.deleteWorkspace(id);
      for (const name of cluster.names.filter((each) => each.startsWith('worker'))) {
        const { dataDirectory } = cluster.process(name);
        expect(await readdir(path.join(dataDirectory, 'workspaces'))).toEqual([]);
      }
      expect(items.flatMap(({ id }) => processesNaming(id))).toEqual([]);
    },
    2 * MINUTES,
  );

  it('tells its numbers in every process, whichever its role', async () => {
    for (const name of cluster.names) {
      const answer = await fetch(`${cluster.process(name).url}/metrics`);
      expect([name, answer.status]).toEqual([name, 200]);
      const text = await answer.text();
      expect(text).toMatch(/^berth_queue_jobs\{queue="berth",state="waiting"\} \d+$/m);
      expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    }
  });

  it(
    'stops writing within seconds, in every process, when a newer Berth has migrated the database',
    async () => {
      const { id } = await cluster.api.createWorkspace({
        repository: await newRepository(),
        agent: 'claude',
      });
      await cluster.api.untilState(id, 'running');
      await withClient(cluster.database.ownerUrl, (client) =>
        client.query(
          `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
         VALUES (gen_random_uuid()::text, 'x', '20990101000000_of_a_newer_one', now())`,
        ),
      );
      for (const name of cluster.names) {
        await eventually(`${name} says so`, async () => {
          const answer = await fetch(`${cluster.process(name).url}/readyz`);
          return (
            answer.status === 503 && ((await answer.json()) as { code: string }).code === 'database-newer'
          );
        });
      }
      const { api } = cluster;
      const refused = await api.call<{ code: string }>('POST', api.path(`/workspaces/${id}/hibernate`));
      expect([refused.status, refused.body.code]).toEqual([503, 'database-newer']);
      // What is asked for past it waits in the rows: no worker takes it up, and none says that it lives.
      const seen = await rowsOf('SELECT id, seen_at FROM host ORDER BY id');
      await rowsOf(`UPDATE workspace SET desired_state = 'hibernated' WHERE id = '${id}'`);
      const { environment, dataDirectory } = cluster.process('worker-1');
      await cluster.process('worker-1').stop();
      const { output } = await BerthProcess.refused({ ...environment, BERTH_DATA_DIR: dataDirectory });
      expect(output).toContain('migration-mismatch');
      expect(await rowsOf(`SELECT state FROM workspace WHERE id = '${id}'`)).toEqual([{ state: 'running' }]);
      expect(await rowsOf('SELECT id, seen_at FROM host ORDER BY id')).toEqual(seen);
    },
    2 * MINUTES,
  );

  const rowsOf = (text: string): Promise<unknown[]> =>
    withClient(cluster.database.ownerUrl, async (client) => (await client.query<object>(text)).rows);
});
