const CHARACTERS_PER_TOKEN = 4;
const PIECE_LENGTH = 12;

/** A rough and repeatable token count: about four characters each, at least one. */
export function tokensIn(text: string): number {
  return Math.max(1, Math.ceil(text.length / CHARACTERS_PER_TOKEN));
}

/** The model a JSON body names, if it does; said in the ledger even for requests that are refused. */
export function modelNamed(text: string): string | null {
  try {
    const { model } = JSON.parse(text) as { model?: unknown };
    return typeof model === 'string' ? model : null;
  } catch {
    return null;
  }
}

/** The grant a token endpoint is asked for, in JSON or in a form. */
export function grantNamed(text: string): string | null {
  return fieldNamed(text, 'grant_type');
}

/** The refresh token a token endpoint is asked with, in JSON or in a form. */
export function refreshTokenNamed(text: string): string | null {
  return fieldNamed(text, 'refresh_token');
}

function fieldNamed(text: string, field: string): string | null {
  try {
    const value = (JSON.parse(text) as Record<string, unknown>)[field];
    return typeof value === 'string' ? value : null;
  } catch {
    return new URLSearchParams(text).get(field);
  }
}

/** Cuts by characters, so that no piece ends inside a surrogate pair. */
export function piecesOf(whole: string): string[] {
  const characters = Array.from(whole);
  const pieces: string[] = [];
  for (let start = 0; start < characters.length; start += PIECE_LENGTH) {
    pieces.push(characters.slice(start, start + PIECE_LENGTH).join(''));
  }
  return pieces;
}
