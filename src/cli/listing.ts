import { Command } from 'commander';
import type { z } from 'zod';
import { connect, withConnection, type OutputOptions } from './connect.js';
import type { CliContext } from './context.js';
import { withExamples } from './help.js';
import { jsonText, table } from './render.js';

/** A list of the organization, as a command shows it. */
export interface Listing<T> {
  description: string;
  /** Where it is, below the organization. */
  path: string;
  item: z.ZodType<T>;
  heading: string[];
  row: (item: T) => string[];
  /** What to say of an empty one. */
  empty: string;
  example: string;
}

/** A command `list` that shows all of it, as a table or as a JSON array. */
export function listCommandOf<T>(context: CliContext, listing: Listing<T>): Command {
  const command = withConnection(new Command('list'))
    .alias('ls')
    .description(listing.description)
    .option('--json', 'print them as a JSON array')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const items: T[] = [];
      for await (const item of session.api.list(session.path(listing.path), listing.item)) items.push(item);
      if (options.json) context.out(`${jsonText(items, 2)}\n`);
      else
        context.out(
          items.length === 0 ? `${listing.empty}\n` : table(listing.heading, items.map(listing.row)),
        );
    });
  return withExamples(command, listing.example);
}
