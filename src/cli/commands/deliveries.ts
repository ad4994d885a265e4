import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { listCommandOf } from '../listing.js';
import { jsonText, oneLine, timeText } from '../render.js';
import { conversationSchema, deliverySchema } from '../wire.js';

/** `berth deliveries` */
export function deliveriesCommand(context: CliContext): Command {
  const list = listCommandOf(context, {
    description: 'list what GitHub and Linear told, and what became of it, newest first',
    path: 'deliveries',
    item: deliverySchema,
    heading: ['RECEIVED', 'SYSTEM', 'EVENT', 'STATE', 'OUTCOME'],
    row: ({ receivedAt, system, event, action, state, outcome }) => [
      timeText(receivedAt),
      system,
      action ? `${event}.${action}` : event,
      state,
      outcome ?? '-',
    ],
    empty: 'Nothing was delivered yet.',
    example: 'berth deliveries list',
  });
  return new Command('deliveries').description('what other systems told').addCommand(list);
}

/** `berth conversations` */
export function conversationsCommand(context: CliContext): Command {
  const list = listCommandOf(context, {
    description: 'list where people talk with agents at GitHub and Linear, newest first (admins)',
    path: 'conversations',
    item: conversationSchema,
    heading: ['ID', 'SYSTEM', 'STATE', 'WHERE', 'WHY'],
    row: ({ id, system, state, url, stateReason }) => [id, system, state, url, stateReason ?? '-'],
    empty: 'There is no conversation yet.',
    example: 'berth conversations list',
  });
  const group = new Command('conversations').description('where people talk with agents at other systems');
  return group.addCommand(list).addCommand(resumeCommand(context));
}

function resumeCommand(context: CliContext): Command {
  const command = withConnection(new Command('resume'))
    .description('hear again what is asked in a paused conversation (admins)')
    .argument('<id>', 'its id, as "berth conversations list" shows it')
    .option('--json', 'print it as JSON')
    .action(async (id: string, options: OutputOptions) => {
      const session = await connect(context, options);
      const path = session.path('conversations', id, 'resume');
      const resumed = await session.api.change('POST', path, conversationSchema, {});
      context.out(options.json ? `${jsonText(resumed, 2)}\n` : `Resumed the conversation ${oneLine(id)}.\n`);
    });
  return withExamples(command, 'berth conversations resume 019a3c5e-6d2f-7c41-9b1e-2f4f1f0c22aa');
}
