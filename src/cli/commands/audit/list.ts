import { Command, Option } from 'commander';
import { auditActions } from '../../../contracts/index.js';
import { time, wholeNumber } from '../../arguments.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { memberOf } from '../../member.js';
import { jsonText, table, timeText } from '../../render.js';
import type { Session } from '../../session.js';
import { auditEntrySchema, type AuditEntry } from '../../wire.js';
import { openLog, withLog, type LogOptions } from './log.js';

interface ListOptions extends LogOptions {
  action?: string;
  actor?: string;
  subject?: string;
  since?: string;
  until?: string;
  oldestFirst?: true;
  limit: number;
}

const usualLimit = 50;

/** `berth audit list` */
export function listCommand(context: CliContext): Command {
  const command = withLog(new Command('list'))
    .alias('ls')
    .description('show what was done, newest first')
    .addOption(actionOption())
    .option('--actor <who>', 'only by them: email address or id of a member, or the id of a workspace')
    .option('--subject <id>', 'only what was done to this, for example a workspace')
    .option('--since <time>', 'not before, for example 2026-11-01 or 2026-11-01T08:00:00Z', time)
    .option('--until <time>', 'before then', time)
    .option('--oldest-first', 'begin with the oldest')
    .option('--limit <number>', 'at most so many', wholeNumber, usualLimit)
    .option('--json', 'print them as a JSON array')
    .action((options: ListOptions) => list(context, options));
  return withExamples(
    command,
    'berth audit list --actor grace@example.com --since 2026-11-01',
    'berth audit list --action credential.set --limit 500 --json',
    'berth audit list --instance',
  );
}

/** Offers the actions that this command knows, and takes others: Berth may be newer, and says itself what it does not know. */
function actionOption(): Option {
  return new Option('--action <action>', 'only this')
    .choices(Object.keys(auditActions))
    .argParser((action: string) => action);
}

async function list(context: CliContext, options: ListOptions): Promise<void> {
  const { api, path, session } = await openLog(context, options);
  const { action, subject, since, until, limit } = options;
  const order = options.oldestFirst ? 'oldest' : 'newest';
  const actor = await actorId(session, options.actor);
  const entries: AuditEntry[] = [];
  let more = false;
  for await (const entry of api.list(
    path,
    auditEntrySchema,
    given({ order, action, actor, subject, since, until }),
  )) {
    more = entries.length === limit;
    if (more) break;
    entries.push(entry);
  }
  if (options.json) context.out(`${jsonText(entries, 2)}\n`);
  else context.out(entries.length === 0 ? 'There is no such entry.\n' : auditTable(entries));
  if (more) context.progress.note(`berth: There are more than these ${limit}; --limit shows more.`);
}

/** Entries name people by id, since names and addresses change. */
async function actorId(session: Session | null, actor: string | undefined): Promise<string | undefined> {
  return actor?.includes('@') && session !== null ? (await memberOf(session, actor)).id : actor;
}

function given(filter: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function auditTable(entries: AuditEntry[]): string {
  return table(
    ['NUMBER', 'TIME', 'WHO', 'DID', 'TO'],
    entries.map(({ seq, at, actor, action, subject }) => [
      String(seq),
      timeText(at),
      actor.name ?? [actor.type, actor.id].filter(Boolean).join(' '),
      action,
      subject ? [subject.type, subject.name ?? subject.id].filter(Boolean).join(' ') : '-',
    ]),
  );
}
