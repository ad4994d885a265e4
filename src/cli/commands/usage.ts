import { Command, Option } from 'commander';
import { usageGroups } from '../../contracts/index.js';
import { time } from '../arguments.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { jsonText, table } from '../render.js';
import { usageLineSchema, type UsageLine } from '../wire.js';

interface UsageOptions extends OutputOptions {
  by: string;
  from?: string;
  to?: string;
}

/** `berth usage` */
export function usageCommand(context: CliContext): Command {
  const command = withConnection(new Command('usage'))
    .description('tokens and cost of model calls: your own, for admins everybody’s')
    .addOption(byOption())
    .option('--from <time>', 'from then on; by default the beginning of the month (UTC)', time)
    .option('--to <time>', 'before then; by default now', time)
    .option('--json', 'print the lines as a JSON array')
    .action((options: UsageOptions) => show(context, options));
  return withExamples(command, 'berth usage', 'berth usage --by model --from 2026-11-01 --to 2026-12-01');
}

/** Offers what this command knows, and takes other words: Berth may be newer. */
function byOption(): Option {
  return new Option('--by <what>', 'what to add up by')
    .choices([...usageGroups])
    .argParser((by: string) => by)
    .default('member');
}

async function show(context: CliContext, options: UsageOptions): Promise<void> {
  const session = await connect(context, options);
  const { by, from, to } = options;
  const query = { by, ...(from ? { from } : {}), ...(to ? { to } : {}) };
  const lines: UsageLine[] = [];
  for await (const line of session.api.list(session.path('usage'), usageLineSchema, query)) lines.push(line);
  if (options.json) context.out(`${jsonText(lines, 2)}\n`);
  else context.out(lines.length === 0 ? 'Nothing was used.\n' : usageTable(by, lines));
}

function usageTable(by: string, lines: UsageLine[]): string {
  return table(
    [
      by.toUpperCase(),
      'CALLS',
      'UNKNOWN',
      'INPUT',
      'OUTPUT',
      'CACHE READ',
      'CACHE WRITE',
      'COST',
      'UNPRICED',
    ],
    lines.map((line) => [
      nameOf(by, line),
      ...[line.calls, line.unknownCalls, line.inputTokens, line.outputTokens].map(String),
      ...[line.cacheReadTokens, line.cacheWriteTokens].map(String),
      `$${line.costUsd.toFixed(2)}`,
      String(line.unpricedCalls),
    ]),
  );
}

/** Names repeat; ids and what is a name by itself do not. */
function nameOf(by: string, { key, name }: UsageLine): string {
  if (key === null) return '-';
  if (!name) return key;
  return by === 'member' ? name : `${name} (${key})`;
}
