import { shownOf } from './request.js';

/** One line without anything unseen. */
export function line1(text: string, maximum: number): string {
  return cut(shownOf(text).replace(/\s+/g, ' ').trim(), maximum);
}

/** Ends in `…` where it was longer. */
export function cut(text: string, maximum: number): string {
  return text.length <= maximum ? text : `${text.slice(0, maximum).replace(/\p{Surrogate}$/u, '')}…`;
}
