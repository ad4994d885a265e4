import { z } from 'zod';

/** Control characters have no place in names and titles; NUL cannot be stored in Postgres text at all. */
const CONTROL = /\p{Cc}/u;

/** One line of text for people: trimmed, not empty, no control characters. */
export const lineSchema = (maximum: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must have at most ${maximum} characters`)
    .refine((text) => !CONTROL.test(text), { error: 'must not contain control characters or line breaks' });

/** Running text: any characters but NUL. */
export const proseSchema = (maximum: number) =>
  z
    .string()
    .refine((text) => text.trim() !== '', { error: 'must not be empty' })
    .refine((text) => !text.includes('\u0000'), { error: 'must not contain NUL characters' })
    .refine((text) => text.length <= maximum, { error: `must have at most ${maximum} characters` });
