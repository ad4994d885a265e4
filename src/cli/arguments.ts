import { InvalidArgumentError } from 'commander';
import type { z } from 'zod';
import { exitCodes } from './exit-codes.js';
import { CliError, fieldLines } from './failure.js';

/** Reads a whole number of 0 or more; commander shows the message. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Reads a time, or a day (which begins at midnight UTC). */
export function time(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime()))
    throw new InvalidArgumentError('It must be a time, for example 2027-01-31T00:00:00Z.');
  return at.toISOString();
}

/** Input as Berth takes it, judged here already, so that what is wrong is told before anything is sent. Throws CliError (usage). */
export function wellFormed<T>(schema: z.ZodType<T>, input: unknown): T {
  const judged = schema.safeParse(input);
  if (judged.success) return judged.data;
  throw new CliError(
    exitCodes.usage,
    'Berth would not take that:',
    fieldLines(judged.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))),
  );
}
