import { MAX_MESSAGE_CHARACTERS } from '../../contracts/index.js';

const MAX_NAME_CHARACTERS = 100;
const CUT = '\n\n[The rest of this message was cut off: it was too long.]';

/** A title from outside as the name of a workspace: one line. Undefined when nothing of it is left. */
export function nameFrom(title: string): string | undefined {
  const line = whole(title)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const name = whole(line.slice(0, MAX_NAME_CHARACTERS), '').trim();
  return name === '' ? undefined : name;
}

/** A text from outside as a message: whatever it is, what cannot be stored is replaced, and what is too long is cut off and said to be. */
export function promptFrom(text: string): string {
  const clean = whole(text).replaceAll('\u0000', '\u2400');
  if (clean.length <= MAX_MESSAGE_CHARACTERS) return clean;
  return whole(clean.slice(0, MAX_MESSAGE_CHARACTERS - CUT.length), '') + CUT;
}

function whole(text: string, instead = '\ufffd'): string {
  return text.replace(/\p{Surrogate}/gu, instead);
}
