import { z } from 'zod';

/** Control characters have no place in names and titles; NUL cannot be stored in Postgres text at all. */
const CONTROL = /\p{Cc}/u;
/** Half of a character of two UTF-16 units: no text in UTF-8, and refused by Postgres inside JSON. */
const HALF = /\p{Surrogate}/u;
/** No half of a character in it. */
export const isWhole = (text: string): boolean => !HALF.test(text);
export const HALF_MESSAGE = 'must not contain halves of characters (lone surrogates)';

/** One line of text for people: trimmed, not empty, no control characters. */
export const lineSchema = (maximum: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must have at most ${maximum} characters`)
    .refine((text) => !CONTROL.test(text), { error: 'must not contain control characters or line breaks' })
    .refine(isWhole, { error: HALF_MESSAGE });

/**
 * Text in which a machine tells what it saw, whatever that was, in a form that Postgres can keep: NUL becomes ␀ and half a character �. Refusing it would not help: the runner
 * would send the same again for ever, and its turn would never end.
 */
export const seenSchema = () =>
  z.string().transform((text) => text.replaceAll('\u0000', '\u2400').replace(/\p{Surrogate}/gu, '\ufffd'));

/** Running text: any characters but NUL. */
export const proseSchema = (maximum: number) =>
  z
    .string()
    .refine((text) => text.trim() !== '', { error: 'must not be empty' })
    .refine((text) => !text.includes('\u0000'), { error: 'must not contain NUL characters' })
    .refine(isWhole, { error: HALF_MESSAGE })
    .refine((text) => text.length <= maximum, { error: `must have at most ${maximum} characters` });
