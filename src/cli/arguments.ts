import { InvalidArgumentError } from 'commander';

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
