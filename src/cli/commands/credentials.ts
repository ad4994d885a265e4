import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { connectCommand } from './credentials/connect.js';
import { deleteCommand } from './credentials/delete.js';
import { explainCommand } from './credentials/explain.js';
import { historyCommand } from './credentials/history.js';
import { listCommand } from './credentials/list.js';
import { policyCommand } from './credentials/policy.js';
import { rotateCommand } from './credentials/rotate.js';
import { setCommand } from './credentials/set.js';
import { showCommand } from './credentials/show.js';

/** `berth credentials` */
export function credentialsCommand(context: CliContext): Command {
  const group = new Command('credentials')
    .alias('creds')
    .description('keys and tokens that agents work with; the secret itself is never shown');
  const commands = [
    setCommand,
    connectCommand,
    listCommand,
    showCommand,
    explainCommand,
    policyCommand,
    rotateCommand,
    historyCommand,
    deleteCommand,
  ];
  for (const command of commands) group.addCommand(command(context));
  return group;
}
