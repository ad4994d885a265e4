import { open, rm } from 'node:fs/promises';
import { Command } from 'commander';
import type { CliContext } from '../../context.js';
import { exitCodes } from '../../exit-codes.js';
import { CliError } from '../../failure.js';
import { withExamples } from '../../help.js';
import { jsonText, oneLine, printableJson } from '../../render.js';
import { auditEndSchema, type AuditHead } from '../../wire.js';
import { headText, openLog, withLog, type AuditLog, type LogOptions } from './log.js';

interface ExportOptions extends LogOptions {
  output: string;
}

/** `berth audit export` */
export function exportCommand(context: CliContext): Command {
  const command = withLog(new Command('export'))
    .description('get the whole log as JSON lines, its head last; "berth audit verify" checks it')
    .option('-o, --output <file>', 'a new file for it, which only you can read; "-" is standard output', '-')
    .option('--json', 'with --output: print what was written as JSON')
    .action(async (options: ExportOptions) => {
      const log = await openLog(context, options);
      if (options.output === '-') await copy(log, (piece) => context.out(printableJson(piece)));
      else await exportToFile(context, log, options);
    });
  return withExamples(
    command,
    'berth audit export --output audit.jsonl',
    'berth audit export | berth audit verify -',
  );
}

async function exportToFile(
  context: CliContext,
  log: AuditLog,
  { output, json }: ExportOptions,
): Promise<void> {
  context.progress.glance(`Writing ${output}`);
  const head = await writeNewFile(output, (write) => copy(log, write));
  const entries = head.seq;
  if (json) context.out(`${jsonText({ file: output, entries, head }, 2)}\n`);
  else
    context.out(
      `${oneLine(`Wrote ${entries} entries to ${output}.`)}\n${
        entries === 0 ? '' : `Head, to keep elsewhere: ${oneLine(headText(head))}\n`
      }`,
    );
}

type Write = (text: string) => void | Promise<void>;

/** Longer than the line of any head. */
const longestEnd = 1000;

/** Copies the log, and answers its head. Throws CliError when it ends without one: then something is missing. */
async function copy({ api, path }: AuditLog, write: Write): Promise<AuditHead> {
  let tail = '';
  for await (const piece of api.pieces(`${path}/export`, 'application/jsonl')) {
    await write(piece);
    tail = (tail + piece).slice(-longestEnd);
  }
  const end = auditEndSchema.safeParse(parsed(tail.trimEnd().split('\n').at(-1) ?? ''));
  if (end.success) return end.data.head;
  throw new CliError(exitCodes.failed, 'The log ended before its head, so some of it is missing. Try again.');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Makes a file, and takes it away again when it cannot be filled. A file that is there is left alone: it may be the proof of something. */
async function writeNewFile<T>(path: string, fill: (write: Write) => Promise<T>): Promise<T> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'is there already, and is not written over' : `cannot be made (${code})`;
    throw new CliError(exitCodes.usage, `${path} ${why}.`, [], { cause });
  });
  try {
    const filled = await fill((text) => file.appendFile(text));
    await file.sync();
    return filled;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
