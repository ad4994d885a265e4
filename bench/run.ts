import { Command } from 'commander';
import { messageOf } from '../src/kernel/index.js';
import type { Bench } from './bench.js';
import { deliveries } from './programs/deliveries.js';
import { events } from './programs/events.js';
import { largeCrowd, leases } from './programs/leases.js';
import { memory } from './programs/memory.js';
import { message } from './programs/message.js';
import { proxy } from './programs/proxy.js';
import { queue } from './programs/queue.js';
import { renewals } from './programs/renewals.js';
import { replicas } from './programs/replicas.js';
import { rest } from './programs/rest.js';
import { start } from './programs/start.js';
import { sweep } from './programs/sweep.js';
import { webhooks } from './programs/webhooks.js';
import { workspace } from './programs/workspace.js';
import { describeMachine, loadNow, type Machine } from './support/machine.js';
import { Session } from './support/session.js';
import { meetsAim, ratioOf, tableOf, type Result } from './support/table.js';

/** `npm run bench [-- names… --json]`: measures the built Berth and prints a table. See README.md. */

const benches: readonly Bench[] = [
  start,
  memory,
  workspace,
  message,
  rest,
  events,
  replicas,
  proxy,
  queue,
  sweep,
  leases,
  largeCrowd,
  renewals,
  webhooks,
  deliveries,
];

/** As shells name the end by SIGINT. */
const INTERRUPTED = 130;
const session = new Session();

interface Report {
  machine: Machine;
  loadAtEnd: number;
  seconds: number;
  results: Result[];
}

const program = new Command('bench')
  .description('Measure the built Berth against yardsticks of the same run')
  .argument('[names...]', `which (${benches.map(({ name }) => name).join(', ')}); all but crowd by default`)
  .option('--json', 'print JSON')
  .action(async (names: string[], { json }: { json?: boolean }) => {
    const report = await measure(chosen(names));
    console.log(json ? JSON.stringify(jsonOf(report), null, 2) : textOf(report));
  });

function chosen(names: readonly string[]): Bench[] {
  const unknown = names.find((name) => !benches.some((bench) => bench.name === name));
  if (unknown !== undefined) {
    program.error(`There is no bench ${unknown}. There are: ${benches.map(({ name }) => name).join(', ')}.`);
  }
  return benches.filter(({ name, byName }) => (names.length === 0 && !byName) || names.includes(name));
}

async function measure(list: readonly Bench[]): Promise<Report> {
  const machine = describeMachine();
  const begun = performance.now();
  const results: Result[] = [];
  for (const bench of list) {
    const rows = await session.run(bench);
    results.push(...rows.map((row) => ({ ...row, bench: bench.name })));
  }
  const seconds = Math.round((performance.now() - begun) / 1000);
  return { machine, loadAtEnd: loadNow(), seconds, results };
}

function textOf({ machine, loadAtEnd, seconds, results }: Report): string {
  const { cores, processor, memoryGb, node, system, loadAtStart } = machine;
  const busy = loadAtStart > cores / 2 ? '  (others were at work: take the ratios, not the times)' : '';
  return [
    '',
    tableOf(results),
    '',
    `machine: ${cores} cores (${processor}), ${memoryGb} GB, ${system}, Node ${node}`,
    `load average: ${loadAtStart} at the start, ${loadAtEnd} at the end${busy}`,
    `took ${seconds} s`,
  ].join('\n');
}

function jsonOf({ results, ...rest }: Report): object {
  const rows = results.map((row) => ({ ...row, ratio: ratioOf(row), aimMet: meetsAim(row) }));
  return { ...rest, results: rows };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => session.interrupt());
try {
  await program.parseAsync();
} catch (error) {
  console.error(`The bench could not be run: ${messageOf(error)}`);
  process.exitCode = session.interrupted ? INTERRUPTED : 1;
}
