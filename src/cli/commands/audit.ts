import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { exportCommand } from './audit/export.js';
import { listCommand } from './audit/list.js';
import { verifyCommand } from './audit/verify.js';

/** `berth audit` */
export function auditCommand(context: CliContext): Command {
  const group = new Command('audit').description('who did what, in a log that shows tampering (admins)');
  for (const command of [listCommand, verifyCommand, exportCommand]) group.addCommand(command(context));
  return group;
}
