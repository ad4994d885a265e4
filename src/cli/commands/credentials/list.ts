import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText, table, timeText } from '../../render.js';
import { credentialSchema, type Credential } from '../../wire.js';

/** `berth credentials list` */
export function listCommand(context: CliContext): Command {
  const command = withConnection(new Command('list'))
    .alias('ls')
    .description("list your own credentials and the organization's")
    .option('--json', 'print them as a JSON array')
    .action(async (options: OutputOptions) => {
      const session = await connect(context, options);
      const credentials: Credential[] = [];
      for await (const entry of session.api.list(session.path('credentials'), credentialSchema))
        credentials.push(entry);
      context.out(options.json ? `${jsonText(credentials, 2)}\n` : credentialTable(credentials));
    });
  return withExamples(command, 'berth credentials list');
}

function credentialTable(credentials: Credential[]): string {
  if (credentials.length === 0)
    return 'There is no credential yet. "berth credentials set <kind>" stores one.\n';
  return table(
    ['KIND', 'SCOPE', 'STATUS', 'HINT', 'GENERATION', 'EXPIRES', 'LAST ERROR'],
    credentials.map((entry) => [
      entry.kind,
      entry.scope,
      entry.status ?? '-',
      entry.hint ?? '-',
      String(entry.generation ?? '-'),
      timeText(entry.expiresAt ?? null),
      entry.lastError ?? '-',
    ]),
  );
}
