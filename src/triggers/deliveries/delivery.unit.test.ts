import { BerthError } from '../../kernel/index.js';
import { afterFailure } from './delivery.js';

const at = (hours: number): Date => new Date(Date.UTC(2026, 10, 1, hours));
const away = new BerthError('not-ready', 'It does not answer.', { retryAfterSeconds: 5 });

describe('a delivery that could not be handled', () => {
  it.each([
    ['waits for what may pass', away, at(1), 'received'],
    ['waits for it for a day, and no longer', away, at(24), 'failed'],
    ['is over when it is refused', new BerthError('validation-failed', 'No.'), at(1), 'failed'],
    ['is over when something is broken', new TypeError('x is not a function'), at(1), 'failed'],
    ['is tried again after a conflict', { code: 'P2034' }, at(1), 'received'],
  ])('%s', (_, error, now, state) => {
    expect(afterFailure(error, at(0), now)).toBe(state);
  });
});
