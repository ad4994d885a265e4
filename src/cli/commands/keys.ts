import { Command } from 'commander';
import { connectToBerth, withAddress, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine, table, timeText } from '../render.js';
import { waitForRotation } from '../rotation.js';
import { keysSchema, type Keys } from '../wire.js';

const path = '/api/v1/instance/keys';

/** `berth keys`: those of the whole Berth, so no organization is asked for. */
export function keysCommand(context: CliContext): Command {
  const group = new Command('keys').description(
    'the encryption keys under which secrets are stored (instance administrators)',
  );
  for (const command of [showCommand(context), rotateCommand(context)]) group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withAddress(new Command('show'))
    .description('show the keys, how much is sealed with each, how far a rotation is, and what to do next')
    .option('--json', 'print it as JSON')
    .action(async (options: OutputOptions) => {
      const api = await connectToBerth(context, options);
      print(context, options, await api.get(path, keysSchema));
    });
  return withExamples(command, 'berth keys show');
}

function rotateCommand(context: CliContext): Command {
  const command = withAddress(new Command('rotate'))
    .description('seal everything anew with the first key of the ring, while Berth runs')
    .option('--wait', 'wait until nothing is left under the other keys')
    .option('--json', 'print the keys as JSON')
    .action(async (options: OutputOptions & { wait?: true }) => {
      const api = await connectToBerth(context, options);
      const begun = await api.change('POST', `${path}/rotate`, keysSchema);
      const look = (): Promise<Keys> => api.get(path, keysSchema);
      print(context, options, options.wait ? await waitForRotation(context, begun, look) : begun);
    });
  command.addHelpText(
    'after',
    '\nIt goes on in the background, also when this command ends. Before it, the new key must be first in BERTH_ENCRYPTION_KEYS of every process; "berth keys show" says what comes next.',
  );
  return withExamples(command, 'berth keys rotate --wait');
}

function print(context: CliContext, options: OutputOptions, keys: Keys): void {
  context.out(options.json ? `${jsonText(keys, 2)}\n` : keysText(keys));
}

/** A row for each key with a column for each kind of thing that is sealed, the rotation, and the advice. */
function keysText({ sealingKey, keys, rotation, advice }: Keys): string {
  const kinds = [...new Set(keys.flatMap(({ rows }) => Object.keys(rows)))];
  const rows = keys.map((key) => [
    key.id,
    key.retiredAt ? `retired ${timeText(key.retiredAt)}` : key.id === sealingKey ? 'seals' : 'opens',
    key.inRing ? 'yes' : 'no',
    ...kinds.map((kind) => String(key.rows[kind] ?? 0)),
  ]);
  const lines = [
    ...(rotation ? [`Rotation to "${rotation.target}": ${rotation.state}, ${rotationTimes(rotation)}.`] : []),
    ...advice,
  ];
  return [
    table(['KEY', 'USE', 'IN RING', ...kinds.map((kind) => oneLine(kind).toUpperCase())], rows),
    ...lines.map((line) => `${oneLine(line)}\n`),
  ].join('');
}

function rotationTimes({ startedAt, finishedAt }: NonNullable<Keys['rotation']>): string {
  const begun = `begun ${timeText(startedAt)}`;
  return finishedAt ? `${begun}, ended ${timeText(finishedAt)}` : begun;
}
