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
      context.out(
        options.json ? `${jsonText(credentials, 2)}\n` : credentialTable(credentials, context.clock.now()),
      );
    });
  return withExamples(command, 'berth credentials list');
}

/** So many days before its end a login is to be connected anew. */
const WARN_DAYS = 3;
const DAY_MILLISECONDS = 24 * 3600 * 1000;

function noteOf({ lastError, loginEndsAt }: Credential, now: Date): string {
  const daysLeft = loginEndsAt ? (Date.parse(loginEndsAt) - now.getTime()) / DAY_MILLISECONDS : Infinity;
  if (daysLeft > WARN_DAYS) return lastError ?? '-';
  const ends = daysLeft <= 0 ? 'the login is over' : `the login ends ${timeText(loginEndsAt ?? null)}`;
  return [`${ends}: connect it again`, ...(lastError ? [lastError] : [])].join('; ');
}

function credentialTable(credentials: Credential[], now: Date): string {
  if (credentials.length === 0)
    return 'There is no credential yet. "berth credentials set <kind>" stores one, "berth credentials connect" signs in.\n';
  return table(
    ['KIND', 'SCOPE', 'STATUS', 'HINT', 'GENERATION', 'EXPIRES', 'NOTE'],
    credentials.map((entry) => [
      entry.kind,
      entry.scope,
      entry.status ?? '-',
      entry.hint ?? '-',
      String(entry.generation ?? '-'),
      timeText(entry.expiresAt ?? null),
      noteOf(entry, now),
    ]),
  );
}
