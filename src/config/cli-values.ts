import { z } from 'zod';
import { BerthError } from '../kernel/index.js';

export type Environment = Record<string, string | undefined>;

export const urlSchema = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).refine(
  (text) => {
    const url = new URL(text);
    return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  },
  { error: 'must hold no user, password, query or fragment' },
);

/** Only what may stand in a header; the message never repeats the key. */
export const apiKeySchema = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, 'must be one word of printable characters');

/** An empty variable counts as absent. */
export function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
    ),
  );
}

/** Throws `config-invalid`. zod's messages name what is wrong and never the value, which may be a secret. */
export function parseSettings<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`.trim());
  throw new BerthError('config-invalid', `${prefix}${problems.join('; ')}.`);
}
