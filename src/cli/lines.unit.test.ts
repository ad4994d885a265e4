import { linesOf } from './lines.js';

const lines = async (...pieces: string[]): Promise<string[]> => {
  const all: string[] = [];
  for await (const line of linesOf(pieces)) all.push(line);
  return all;
};

it.each([
  [[''], []],
  [['one\ntwo\n'], ['one', 'two']],
  [
    ['o', 'ne\nt', 'wo'],
    ['one', 'two'],
  ],
  [['one\n\ntwo'], ['one', '', 'two']],
  [['a\u2028b\u2029c\n'], ['a\u2028b\u2029c']],
])('%j are the lines %j', async (pieces, expected) => expect(await lines(...pieces)).toEqual(expected));
