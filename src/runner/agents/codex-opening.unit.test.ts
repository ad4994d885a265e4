import { codexOpening } from './codex-opening.js';

describe('how Codex takes a thread up', () => {
  it.each([
    ['start', 'p', [], 'request', null],
    ['replay', 'p', ['failed'], 'request', 'failed'],
    ['replay', 'p', ['failed again', 'failed first'], 'request', 'failed first'],
    // An earlier replay cut it, and was killed before it asked.
    ['replay', 'p', [], 'request', null],
    ['replay', 'p', null, 'continue', null],
    ['continue', 'p', ['begun'], 'continue', null],
    ['continue', 'p', [], 'request', null],
    ['continue', null, [], 'request', null],
    ['continue', null, ['begun'], 'continue', null],
    ['continue', 'p', null, 'continue', null],
  ] as const)('%s, good up to %s, then %j: %s, cut before %s', (mode, point, after, say, revertBefore) => {
    expect(codexOpening({ mode, point }, after)).toEqual({ say, revertBefore });
  });
});
