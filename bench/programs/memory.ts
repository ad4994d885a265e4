import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { familyOf, proxyOf, runnerOf } from '../../test/e2e/support/processes.js';
import { TestRedis } from '../../test/support/redis.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { found } from '../support/deadline.js';
import { memoryOf, memoryOfAll, settledMemory, type Memory } from '../support/memory.js';
import { BenchSystem, type RunningWorkspace } from '../support/system.js';
import { memoryOfRoles } from './memory-roles.js';

const TURNS = 5;
const AIM_ALL_MB = 250;
const AIM_RUNNER_MB = 60;

/** Memory of Berth at rest: freshly started, and again after it has worked. */
export const memory: Bench = { name: 'memory', run };

async function run(context: BenchContext): Promise<Row[]> {
  const bare = await bareNode(context);
  const redis = await TestRedis.start();
  context.defer(() => redis.remove());
  const system = await BenchSystem.start(context);
  const withRedis = await idleWithRedis(context, system, redis.url);
  // Started again, as on any day but the first: migrations and set-up are behind it.
  await system.berth.stop();
  await system.berth.start();
  const berth = system.berth.pid;
  const proxy = await found('the proxy runs', () => proxyOf(berth));
  const all = async (): Promise<Memory> => settledMemory(() => memoryOfAll([berth, proxy]));

  context.say('idle');
  const idle = await all();
  const rows = [
    row('all, idle: Berth + proxy, RSS', idle.rss, bare.rss, AIM_ALL_MB),
    row('  of it the proxy, RSS', memoryOf(proxy).rss, bare.rss),
    ...pssRow('all, idle: Berth + proxy, PSS', idle, bare),
    ...postgresRow(berth, bare),
    row('all with Redis, idle: Berth + proxy, RSS', withRedis.rss, bare.rss, AIM_ALL_MB),
    ...pssRow('all with Redis, idle: Berth + proxy, PSS', withRedis, bare),
  ];

  context.say('one workspace');
  const again = system.at(system.berth.url);
  const workspace = await again.runningWorkspace(context);
  const runner = await found('the runner runs', () => runnerOf(again.filesOf(workspace.id)));
  const rested = await settledMemory(() => memoryOf(runner));
  rows.push(row('one idle runner, RSS', rested.rss, bare.rss, AIM_RUNNER_MB));
  rows.push(...pssRow('one idle runner, PSS', rested, bare));

  context.say(`${TURNS} turns`);
  await takeTurns(again, workspace);
  const worked = await settledMemory(() => memoryOf(runner));
  rows.push(row(`runner after ${TURNS} turns, idle again, RSS`, worked.rss, bare.rss, AIM_RUNNER_MB));
  const tired = await all();
  rows.push(row(`all after ${TURNS} turns, idle again, RSS`, tired.rss, bare.rss, AIM_ALL_MB));
  rows.push(...pssRow(`all after ${TURNS} turns, idle again, PSS`, tired, bare));
  // So that the roles have the machine to themselves.
  await again.deleteWorkspace(workspace.id);
  await again.berth.stop();
  for (const { what, memory: role } of await memoryOfRoles(context, redis.url))
    rows.push(row(`${what}, RSS`, role.rss, bare.rss), ...pssRow(`${what}, PSS`, role, bare));
  return rows;
}

/** The same Berth, for once with its queue and notices on Redis. */
async function idleWithRedis(
  context: BenchContext,
  { berth }: BenchSystem,
  redisUrl: string,
): Promise<Memory> {
  context.say('idle, with Redis');
  await berth.stop();
  await berth.start({ REDIS_URL: redisUrl });
  const pids = [berth.pid, await found('the proxy runs', () => proxyOf(berth.pid))];
  return settledMemory(() => memoryOfAll(pids));
}

async function takeTurns(system: BenchSystem, workspace: RunningWorkspace): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    const { id } = await system.api.send(workspace.id, 'Good day');
    await system.untilCompleted(workspace, id);
  }
}

/** What a Node process takes that does nothing. */
async function bareNode(context: BenchContext): Promise<Memory> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6); console.log("up")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  context.defer(async () => {
    child.kill();
    await exited;
  });
  const { stdout, pid } = child;
  await once(stdout, 'data');
  if (pid === undefined) throw new Error('Node could not be started.');
  return settledMemory(() => memoryOf(pid));
}

/** Everything below Berth that is neither Berth nor the proxy is Postgres, as long as there is no workspace. Its processes share much: only PSS can be summed. */
function postgresRow(berth: number, bare: Memory): Row[] {
  const proxy = proxyOf(berth);
  const others = familyOf(berth).map(({ pid }) => pid);
  const { pss } = memoryOfAll(others.filter((pid) => pid !== berth && pid !== proxy));
  return pss === null ? [] : [row('embedded Postgres, besides, PSS', pss, bare.pss)];
}

function pssRow(what: string, { pss }: Memory, bare: Memory): Row[] {
  return pss === null ? [] : [row(what, pss, bare.pss)];
}

function row(what: string, measured: number, bare: number | null, aim: number | null = null): Row {
  const yardstick = bare === null ? null : { what: 'a Node process that does nothing', value: bare };
  return { what, unit: 'MB', measured, spread: null, yardstick, aim };
}
