import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { verifyAuditExport, type ChainHead, type ChainVerdict } from '../../../kernel/index.js';
import type { CliContext } from '../../context.js';
import { exitCodes } from '../../exit-codes.js';
import { CliError, QuietExit } from '../../failure.js';
import { withExamples } from '../../help.js';
import { linesOf } from '../../lines.js';
import { jsonText, oneLine } from '../../render.js';
import { auditVerdictSchema, type AuditVerdict } from '../../wire.js';
import { headText, openLog, withLog, type LogOptions } from './log.js';

type Anchor = Pick<ChainHead, 'seq' | 'hash'>;

interface VerifyOptions extends LogOptions {
  head?: Anchor;
}

/** Berth reads the whole log before it answers. Five minutes are as long as fetch itself waits. */
const patienceMilliseconds = 300_000;

/** `berth audit verify` */
export function verifyCommand(context: CliContext): Command {
  const command = withLog(new Command('verify'))
    .description('check that the log is as it was written; ends with 1 and names the first bad entry if not')
    .argument('[file]', 'an export to check here, without asking Berth; "-" is standard input')
    .option(
      '--head <head>',
      'a head that was shown before and kept elsewhere: it must still be there',
      anchor,
    )
    .option('--json', 'print the verdict as JSON')
    .action(async (file: string | undefined, options: VerifyOptions) => {
      const verdict =
        file === undefined ? await askBerth(context, options) : await checkFile(context, file, options);
      context.out(options.json ? `${jsonText(verdict, 2)}\n` : verdictText(verdict));
      if (!verdict.holds) throw new QuietExit(exitCodes.failed);
    });
  command.addHelpText(
    'after',
    '\nWho owns the database could write a whole log anew. Keep the head that this shows somewhere else, and give it back with --head.',
  );
  return withExamples(
    command,
    'berth audit verify',
    'berth audit verify --head "$(cat kept-head)"',
    'berth audit verify audit.jsonl --json',
  );
}

async function askBerth(context: CliContext, options: VerifyOptions): Promise<AuditVerdict> {
  const { api, path } = await openLog(context, options);
  const { head } = options;
  const query = head ? `?seq=${head.seq}&hash=${head.hash}` : '';
  context.progress.glance('Berth is reading the log');
  return api.get(`${path}/verification${query}`, auditVerdictSchema, { patienceMilliseconds });
}

async function checkFile(context: CliContext, file: string, options: VerifyOptions): Promise<ChainVerdict> {
  const { instance, organization, url, head = null } = options;
  if (instance !== undefined || organization !== undefined || url !== undefined)
    throw new CliError(
      exitCodes.usage,
      'A file is checked as it is: leave out --instance, --organization and --url.',
    );
  context.progress.glance(`Reading ${file}`);
  if (file === '-') return verifyAuditExport(linesOf([await context.readInput()]), head);
  await access(file, constants.R_OK).catch((cause: unknown) => {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new CliError(exitCodes.usage, `${file} cannot be read (${code}).`, [], { cause });
  });
  const text: AsyncIterable<string> = createReadStream(file, { encoding: 'utf8' });
  return verifyAuditExport(linesOf(text), head);
}

function anchor(text: string): Anchor {
  const [, seq, hash] = /^([1-9]\d{0,8}):([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (seq === undefined || hash === undefined)
    throw new InvalidArgumentError('It must be a number and 64 hexadecimal digits, with a colon between.');
  return { seq: Number(seq), hash };
}

function verdictText({ holds, entries, head, fault }: AuditVerdict | ChainVerdict): string {
  if (!holds)
    return `The log does not hold. ${oneLine(fault?.message ?? '')}\nEntries that are good, before that: ${entries}.\n`;
  if (!head || head.seq === 0) return 'The log holds: it is empty.\n';
  return `The log holds: entries 1 to ${entries} of ${oneLine(head.chain)} are as they were written.\nHead, to keep elsewhere: ${oneLine(headText(head))}\n`;
}
