import { networkReason } from './network.js';

const failed = (code: string, message: string): TypeError =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) });

it.each([
  [failed('ECONNREFUSED', 'connect ECONNREFUSED'), 'nothing listens there'],
  [
    failed('EPROTO', '800C6AB1:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:\n'),
    'no TLS',
  ],
  [failed('ERR_SSL_WRONG_VERSION_NUMBER', '800C6AB1:error:0A00010B:SSL routines'), 'no TLS'],
  [failed('EHOSTUNREACH', 'connect EHOSTUNREACH'), 'connect EHOSTUNREACH'],
  ['text', 'text'],
])('says why %s', (error, says) => {
  expect(networkReason(error)).toContain(says);
  expect(networkReason(error)).not.toMatch(/SSL routines|\n/);
});
