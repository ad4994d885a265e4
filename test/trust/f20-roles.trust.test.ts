import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crashPoints, messageOf, type CrashPoint } from '../../src/kernel/index.js';
import { makeRepository } from '../e2e/support/repository.js';
import { credentials } from '../e2e/support/system.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { agentProgram } from '../emulators/run-agents.js';
import { Cluster } from '../support/cluster.js';
import { crashCases, type CrashGround } from '../support/crash-cases.js';
import { LinearGround } from '../support/linear-ground.js';
import { figure, playsInFull } from './figure.js';

/** Which role comes to a point; the cases themselves are those of one process (test/support/crash-cases.ts). */
const reachedBy: Record<CrashPoint, 'api' | 'worker'> = {
  'wake.committed': 'api',
  'place.committed': 'worker',
  'wake.enqueued': 'api',
  'reconcile.begun': 'worker',
  'delivery.stored': 'api',
  'delivery.enqueued': 'api',
  'delivery.claimed': 'worker',
  'ask.written': 'worker',
  'ask.committed': 'worker',
  'reply.written': 'worker',
  'reply.said': 'worker',
  'reply.stored': 'worker',
  'runner.tokens-issued': 'worker',
  'runner.started': 'worker',
  'hibernate.silenced': 'worker',
  'delete.destroyed': 'worker',
  'sweep.orphan-removed': 'worker',
  'renewal.opened': 'worker',
  'renewal.calling': 'worker',
  'renewal.answered': 'worker',
  'renewal.stored': 'worker',
  'login.exchanging': 'api',
  'login.exchanged': 'api',
  'turn.claimed': 'api',
  'report.stored': 'api',
  'answer.kept': 'api',
  'answer.committed': 'api',
};

/** Two api and two worker. `api-1` and `worker-1` are those that end; machines and people go to `api-1` while it is there. */
class Place implements CrashGround {
  api: CrashGround['api'];

  constructor(
    readonly cluster: Cluster,
    readonly anthropic: AnthropicEmulator,
    readonly linear: LinearGround,
    private readonly folder: string,
  ) {
    this.api = cluster.at('api-1');
  }

  repository(name: string): ReturnType<CrashGround['repository']> {
    return makeRepository(path.join(this.folder, name));
  }

  async runningWorkspace(
    agent: 'claude' | 'codex',
    name: string,
  ): ReturnType<CrashGround['runningWorkspace']> {
    const repository = await this.repository(name);
    const { id, branch } = await this.api.createWorkspace({ repository: repository.url, agent, name });
    await this.api.untilState(id, 'running');
    return { id, branch, repository };
  }

  deleteWorkspace(id: string): Promise<void> {
    return this.cluster.deleteWorkspace(id);
  }

  filesOf(id: string): string {
    return path.join(this.cluster.process('worker-1').dataDirectory, 'workspaces', id);
  }

  /** Kills one of the four at a point, while its like goes on, and sees what holds after its next start. */
  async killAt(point: CrashPoint): Promise<void> {
    const test = crashCases[point];
    const name = `${reachedBy[point]}-1`;
    const berth = this.cluster.process(name);
    // The other worker stands still, or it might do what this one is to die of.
    const other = reachedBy[point] === 'worker' ? this.cluster.process('worker-2').pid : null;
    if (other) process.kill(other, 'SIGSTOP');
    try {
      const made = (await test.before?.(this)) ?? '';
      await berth.stop();
      await berth.start({ ...test.environment, BERTH_CRASH_POINT: `${point}:${test.count ?? 1}` });
      this.api = this.cluster.at('api-1');
      await test.act(this, made);
      await berth.untilKilled();
      if (other) process.kill(other, 'SIGCONT');
      if (name === 'api-1') this.api = this.cluster.at('api-2');
      await berth.start();
      await test.holds(this, made);
    } finally {
      if (other) process.kill(other, 'SIGCONT');
      this.api = this.cluster.at('api-1');
    }
  }
}

const stores = [
  { name: 'Postgres', withRedis: false },
  { name: 'Redis', withRedis: true },
];

describe.each(playsInFull ? stores : stores.slice(0, 1))(
  'two api and two worker on $name',
  ({ name, withRedis }) => {
    let folder: string;
    let anthropic: AnthropicEmulator;
    let cluster: Cluster;
    let linear: LinearGround;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'berth-trust-roles-'));
      anthropic = await startAnthropicEmulator({ compress: true });
      anthropic.accept(credentials.anthropicApiKey);
      linear = await LinearGround.start();
      cluster = await Cluster.start({
        withRedis,
        toFirstApi: true,
        environment: {
          BERTH_ANTHROPIC_API_URL: anthropic.url,
          BERTH_CLAUDE_TOKEN_URL: `${anthropic.url}/v1/oauth/token`,
          CLAUDE_BIN: agentProgram('CLAUDE_BIN'),
          ...linear.environment,
        },
      });
      await cluster.api.setCredential('user', 'anthropic_api_key', { apiKey: credentials.anthropicApiKey });
      await linear.connect(cluster.at('api-1'));
    }, 180_000);
    afterAll(async () => {
      await cluster.close();
      await anthropic.close();
      await linear.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }, 120_000);

    figure(
      {
        id: `F20 roles ${name}`,
        scenario: `two api and two worker with queue and notices on ${name}; one of them is killed (SIGKILL) at a named point while its like goes on, and started again; each named point in turn`,
        line: `what was asked for is done once, and nothing is left over (${name})`,
        // Of a small run: one of an api. All of them run against one process in the end-to-end tests.
        rounds: { small: 1, full: crashPoints.length },
        countedAt: 'the API of the other process, the emulator’s answers, files and /proc',
        time: 'real',
      },
      async (findings) => {
        const place = new Place(cluster, anthropic, linear, folder);
        for (const point of crashPoints.slice(0, findings.rounds)) {
          await place.killAt(point).catch((error: unknown) => {
            findings.breach(`${point} (${reachedBy[point]}): ${messageOf(error)}`);
          });
        }
      },
    );
  },
);
