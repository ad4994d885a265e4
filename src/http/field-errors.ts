import type { z } from 'zod';
import type { FieldError } from '../kernel/index.js';

export const UNKNOWN_FIELD = 'is not a known field';

/** What zod calls the types, for people. */
const types: Partial<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What a bound counts, by what zod calls the bounded; a number counts nothing. */
const counts: Partial<Record<string, string>> = {
  string: 'characters',
  array: 'entries',
  number: '',
  int: '',
};

/** One finding about `value`, for people: a line for each unknown field, else one. It says whether the field is missing, and never what was given. */
export function fieldErrors(
  part: string,
  value: unknown,
  issue: z.core.$ZodIssue,
  unknownField = UNKNOWN_FIELD,
): FieldError[] {
  const path = [part, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: `${path}.${key}`, message: unknownField }));
  // A rule of several fields ("one of the two") is about more than that this one is not there.
  const isMissing = issue.code !== 'custom' && valueAt(value, issue.path) === undefined;
  return [{ path, message: isMissing ? missing(issue) : wordsOf(issue) }];
}

function missing(issue: z.core.$ZodIssue): string {
  // What it must be is said where the contract says it, or where only a few words are taken.
  if (isDefault(issue) && issue.code !== 'invalid_value') return 'is missing';
  const words = wordsOf(issue);
  if (words.startsWith('is missing')) return words;
  return words.startsWith('must be ') ? `is missing; it ${words}` : `is missing: ${words}`;
}

/** A contract's own sentence, else one in place of zod's, which speaks of types as JavaScript has them. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (!isDefault(issue)) return issue.message;
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_big' || issue.code === 'too_small') return boundOf(issue);
  const type = issue.code === 'invalid_type' ? types[issue.expected] : undefined;
  return type === undefined ? issue.message : `must be ${type}`;
}

function boundOf(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const counted = counts[issue.origin];
  const bound = issue.code === 'too_big' ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
  // Other bounds than these stand in no contract.
  if (issue.exact === true || issue.inclusive === false || counted === undefined) return issue.message;
  if (counted === '') return `must be ${bound}`;
  return issue.code === 'too_small' && issue.minimum === 1
    ? 'must not be empty'
    : `must have ${bound} ${counted}`;
}

function isDefault({ message }: z.core.$ZodIssue): boolean {
  return /^(Invalid|Too (big|small):?) /.test(message);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (within, key) => (within as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}
