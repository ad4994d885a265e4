import { Command } from 'commander';
import { time } from '../arguments.js';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { listCommandOf } from '../listing.js';
import { jsonText, oneLine, timeText } from '../render.js';
import { apiKeySchema, newApiKeySchema } from '../wire.js';

/** `berth api-keys` */
export function apiKeysCommand(context: CliContext): Command {
  const list = listCommandOf(context, {
    description: 'list your API keys (an admin sees everybody’s); never their text',
    path: 'api-keys',
    item: apiKeySchema,
    heading: ['ID', 'NAME', 'BEGINS WITH', 'EXPIRES', 'LAST USED'],
    row: ({ id, name, prefix, expiresAt, lastUsedAt }) => [
      id,
      name,
      prefix,
      timeText(expiresAt ?? null),
      timeText(lastUsedAt ?? null),
    ],
    empty: 'There is no API key.',
    example: 'berth api-keys list',
  });
  const group = new Command('api-keys').description('keys by which programs act as you');
  for (const command of [createCommand(context), list, deleteCommand(context)]) group.addCommand(command);
  return group;
}

function createCommand(context: CliContext): Command {
  const command = withConnection(new Command('create'))
    .description('make an API key that acts as you; its text is printed this once')
    .argument('<name>', 'what to know it by')
    .option('--expires-at <time>', 'when it ends, for example 2027-01-31T00:00:00Z', time)
    .option('--json', 'print it as JSON')
    .action(async (name: string, options: OutputOptions & { expiresAt?: string }) => {
      const session = await connect(context, options);
      const { expiresAt } = options;
      const body = { name, ...(expiresAt === undefined ? {} : { expiresAt }) };
      const made = await session.api.change('POST', session.path('api-keys'), newApiKeySchema, { body });
      context.out(options.json ? `${jsonText(made, 2)}\n` : `${made.apiKey}\n`);
    });
  return withExamples(command, 'berth api-keys create ci > key.txt');
}

function deleteCommand(context: CliContext): Command {
  const command = withConnection(new Command('delete'))
    .alias('rm')
    .description('delete an API key; it stops working at once')
    .argument('<id>', 'its id, as "berth api-keys list" shows it')
    .option('--json', 'print what was deleted as JSON')
    .action(async (id: string, options: OutputOptions) => {
      const session = await connect(context, options);
      await session.api.command('DELETE', session.path('api-keys', id));
      context.out(
        options.json ? `${jsonText({ id, deleted: true })}\n` : `Deleted the API key ${oneLine(id)}.\n`,
      );
    });
  return withExamples(command, 'berth api-keys delete 019a3c5e-6d2f-7c41-9b1e-2f4f1f0c22aa');
}
