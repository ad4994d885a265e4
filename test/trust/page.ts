import type { Machine } from '../../bench/support/machine.js';
import type { Result } from './figure.js';
import { lines } from './lines.js';

/** The text of docs/trust.md. Pure: results in, markdown out. */

export type Bench = Machine & { postgres: string };

/** `F20 crash` -> `F20`. */
const numberOf = (id: string): string => id.split(' ')[0] ?? id;
const ORDER = Object.keys(lines);

export function trustPage(results: readonly Result[], machine: Bench): string {
  const sorted = [...results].sort(
    (a, b) => ORDER.indexOf(numberOf(a.id)) - ORDER.indexOf(numberOf(b.id)) || (a.id < b.id ? -1 : 1),
  );
  const missed = sorted.filter(({ breaches }) => breaches.length > 0);
  return [
    opening(sorted, missed.length),
    machineOf(machine),
    '## Figures',
    table(sorted),
    ...(missed.length > 0 ? ['## Misses', ...missed.map(missOf)] : []),
    worth,
    '## Not there yet',
    notThere(sorted),
    '',
  ].join('\n\n');
}

function opening(results: readonly Result[], missed: number): string {
  const held = results.length - missed;
  return `# Trust figures

What Berth promises, as lines that were fixed before the first run, and what came of them. Written by \`npm run trust\`; do not edit it by hand. \`npm test\` plays every line at a small number
of rounds; this page is of full runs. How a line is added: [CONTRIBUTING](../CONTRIBUTING.md#how-to-add).

${results.length} lines played, ${held} held, ${missed} missed.`;
}

function machineOf({ cores, processor, memoryGb, node, system, postgres }: Bench): string {
  return `## Machine

${cores} cores (${processor}), ${memoryGb} GB, ${system}, Node ${node}, embedded Postgres ${postgres}. One machine, emulated upstreams.`;
}

function table(results: readonly Result[]): string {
  const head =
    '| F | scenario | line | N | result | upper bound | counted at | time | numbers | took | run |\n|---|---|---|---|---|---|---|---|---|---|---|';
  return [head, ...results.map(rowOf)].join('\n');
}

function rowOf(result: Result): string {
  const { id, scenario, line, tried, breaches, countedAt, time, numbers, seconds, at, commit } = result;
  const missed = breaches.length > 0;
  const cells = [
    id,
    scenario,
    line,
    count(tried),
    missed ? `**missed**: ${count(breaches.length)} of ${count(tried)}` : `0 of ${count(tried)}`,
    missed ? '' : boundOf(tried),
    countedAt,
    time,
    Object.entries(numbers)
      .map(([name, value]) => `${name}: ${typeof value === 'number' ? count(value) : value}`)
      .join('; '),
    `${seconds} s`,
    `${at.slice(0, 10)} ${commit}`,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

/** Nothing in `tried` tries bounds the true rate at about 3/N, with 95 % confidence. */
export function boundOf(tried: number): string {
  if (tried < 3) return '';
  return `${Number(((3 / tried) * 100).toPrecision(2))} %`;
}

const count = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 3 });

const SHOWN = 10;

function missOf({ id, line, breaches }: Result): string {
  const more = breaches.length > SHOWN ? `\n- … and ${breaches.length - SHOWN} more` : '';
  return `**${id}**: ${line}\n\n${breaches
    .slice(0, SHOWN)
    .map((breach) => `- ${breach}`)
    .join('\n')}${more}`;
}

const worth = `## What a figure is worth

- **0 of N** bounds the true rate at about 3/N (95 %): 0 of 300 says "below 1 %", 0 of 3,000 "below 0.1 %". The bound is about what the run tried, on this machine, and about nothing else.
- It is counted at the other end: an emulator's ledger, rows, \`/proc\`, marks in files. Never by Berth's own counters.
- A race that never failed proves little. Where a line was seen to fail with its guard taken away, its file says how; where it says nothing, that was not tried.
- Time is either real (races) or a clock that the program moved (deadlines); the table says which.
- What limits all of it: few cores, one machine, emulated providers, no real network between hosts.`;

function notThere(results: readonly Result[]): string {
  const played = new Set(results.map(({ id }) => numberOf(id)));
  return Object.entries(lines)
    .filter(([id]) => !played.has(id))
    .map(([id, what]) => `- **${id}** ${what}`)
    .join('\n');
}
