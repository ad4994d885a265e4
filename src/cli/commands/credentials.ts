import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { deleteCommand } from './credentials/delete.js';
import { explainCommand } from './credentials/explain.js';
import { listCommand } from './credentials/list.js';
import { setCommand } from './credentials/set.js';

/** `berth credentials` */
export function credentialsCommand(context: CliContext): Command {
  const group = new Command('credentials')
    .alias('creds')
    .description('keys and tokens that agents work with; the secret itself is never shown');
  for (const command of [setCommand, listCommand, explainCommand, deleteCommand])
    group.addCommand(command(context));
  return group;
}
