import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { createCommand } from './workspaces/create.js';
import { logsCommand } from './workspaces/logs.js';
import { deleteCommand, hibernateCommand, wakeCommand } from './workspaces/order.js';
import { sendCommand } from './workspaces/send.js';
import { shareCommand, unshareCommand } from './workspaces/share.js';
import { listCommand, showCommand } from './workspaces/show.js';

const commands = [
  createCommand,
  listCommand,
  showCommand,
  sendCommand,
  logsCommand,
  hibernateCommand,
  wakeCommand,
  shareCommand,
  unshareCommand,
  deleteCommand,
];

/** `berth workspaces` */
export function workspacesCommand(context: CliContext): Command {
  const group = new Command('workspaces')
    .alias('ws')
    .description('work with the workspaces of an organization');
  for (const command of commands) group.addCommand(command(context));
  return group;
}
