/**
 * The lines of a text that comes in pieces, without their ends. Only a line feed ends one: node:readline also cuts at U+2028 and U+2029, which may stand in
 * the middle of a JSON text.
 */
export async function* linesOf(pieces: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
