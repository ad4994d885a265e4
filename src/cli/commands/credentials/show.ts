import { Command } from 'commander';
import type { Kind, Scope } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { facts, jsonText, timeText } from '../../render.js';
import { shownCredentialSchema, type ShownCredential } from '../../wire.js';
import { kindArgument, scopeOption } from './options.js';

/** `berth credentials show` */
export function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('show one credential: how it is, who set it, and which workspaces use it')
    .addArgument(kindArgument())
    .addOption(scopeOption())
    .option('--json', 'print it as JSON')
    .action(async (kind: Kind, options: OutputOptions & { scope: Scope }) => {
      const session = await connect(context, options);
      const shown = await session.api.get(
        session.path('credentials', options.scope, kind),
        shownCredentialSchema,
      );
      context.out(options.json ? `${jsonText(shown, 2)}\n` : details(shown));
    });
  return withExamples(command, 'berth credentials show claude_oauth');
}

function details(shown: ShownCredential): string {
  const time = (at: string | null | undefined): string | null => (at ? timeText(at) : null);
  return facts([
    ['kind', shown.kind],
    ['scope', shown.scope],
    ['status', shown.status],
    ['hint', shown.hint],
    ['account', [shown.account?.email, shown.account?.plan].filter(Boolean).join(', ')],
    ['generation', shown.generation?.toString()],
    ['expires', time(shown.expiresAt)],
    ['last renewed', time(shown.lastRotatedAt)],
    ['set', time(shown.connectedAt)],
    ['set by', shown.connectedBy?.name],
    ['login ends', time(shown.loginEndsAt)],
    ['quota used up until', time(shown.limitedUntil)],
    [
      'fallback',
      shown.fallback === null || shown.fallback === undefined ? null : shown.fallback ? 'yes' : 'no',
    ],
    ['last error', shown.lastError],
    ['used by', shown.usedBy?.join(' ')],
  ]);
}
