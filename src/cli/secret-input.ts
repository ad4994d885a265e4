import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';

/** Adds `--from-file`: the one word for where a command finds its secrets. */
export function withSecretFile(command: Command, what: string): Command {
  return command.option('--from-file <path>', `read ${what} from a file; "-" is standard input`);
}

/**
 * Text that must not stand on a command line, where every user of the machine can read it: from a file, else from standard input. Null when a person at
 * the terminal is to be asked instead. Throws CliError (usage) when there is nowhere to read it from, or nothing in it.
 */
export async function givenSecret(
  context: CliContext,
  what: string,
  fromFile: string | undefined,
): Promise<string | null> {
  if (fromFile !== undefined && fromFile !== '-') return notEmpty(await readSecretFile(fromFile), what);
  const fromInput = fromFile === '-' || !context.inputIsTerminal;
  if (fromInput) return notEmpty(await context.readInput(), what);
  if (context.prompts !== null) return null;
  throw new CliError(
    exitCodes.usage,
    `Give ${what} on standard input or in a file; with --json, and where standard error is no terminal, nobody is asked.`,
  );
}

/** The same where a link, or the token of it, is followed by a password on the next line. A line that is not there is empty. */
export async function givenLines(
  context: CliContext,
  what: string,
  fromFile: string | undefined,
): Promise<string[] | null> {
  const text = await givenSecret(context, what, fromFile);
  return text?.split(/\r?\n/) ?? null;
}

async function readSecretFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new CliError(exitCodes.usage, `${path} cannot be read (${code}).`, [], { cause });
  });
}

function notEmpty(text: string, what: string): string {
  const trimmed = text.trim();
  if (trimmed === '') throw new CliError(exitCodes.usage, `There is nothing to read: ${what} is empty.`);
  return trimmed;
}
