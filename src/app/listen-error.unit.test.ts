import { BerthError } from '../kernel/index.js';
import { listenError } from './listen-error.js';

const failing = (code: string): Error => Object.assign(new Error(`listen ${code}`), { code });

it.each([
  ['EADDRINUSE', /^PORT: .*127\.0\.0\.1:3000.*PORT to a free port/],
  ['EACCES', /^PORT: .*1024/],
  ['EADDRNOTAVAIL', /^BERTH_HOST: 127\.0\.0\.1/],
  ['ENOTFOUND', /^BERTH_HOST: /],
])('%s is said with the variable to change', (code, expected) => {
  const cause = failing(code);
  const error = listenError(cause, '127.0.0.1', 3000);
  expect(error).toBeInstanceOf(BerthError);
  expect(error).toMatchObject({ code: 'config-invalid', cause });
  expect(error.message).toMatch(expected);
});

it('leaves every other error as it came', () => {
  const other = failing('EMFILE');
  expect(listenError(other, '127.0.0.1', 3000)).toBe(other);
});
