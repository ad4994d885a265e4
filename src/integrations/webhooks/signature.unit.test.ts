import { createHmac } from 'node:crypto';
import { Secret } from '../../kernel/index.js';
import { isFromGithub } from '../github/signature.js';
import { isFromLinear, isInTime } from '../linear/signature.js';

// docs.github.com, "Validating webhook deliveries": the test vector.
const secret = new Secret("It's a Secret to Everybody");
const body = Buffer.from('Hello, World!');
const digest = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
const other = new Secret('another secret');

describe('a signature', () => {
  it.each<[string, boolean, Secret[], string | undefined]>([
    ['by the secret', true, [secret], `sha256=${digest}`],
    ['by the older of two', true, [other, secret], `sha256=${digest}`],
    ['by the newer of two', true, [secret, other], `sha256=${digest}`],
    ['by another', false, [other], `sha256=${digest}`],
    ['by none', false, [], `sha256=${digest}`],
    ['that is missing', false, [secret], undefined],
    ['that is empty', false, [secret], ''],
    ['without its prefix', false, [secret], digest],
    ['of another kind', false, [secret], `sha1=${digest.slice(0, 40)}`],
    ['in upper case', false, [secret], `sha256=${digest.toUpperCase()}`],
    ['cut short', false, [secret], `sha256=${digest.slice(0, -1)}`],
    ['too long', false, [secret], `sha256=${digest}00`],
    ['with a space', false, [secret], `sha256= ${digest}`],
    ['of other bytes', false, [secret], `sha256=${createHmac('sha256', 'x').update(body).digest('hex')}`],
  ])('of GitHub %s', (_, isGood, secrets, header) => {
    expect(isFromGithub(secrets, body, header)).toBe(isGood);
  });

  it.each<[string, boolean, string | undefined]>([
    ['as it is', true, digest],
    ['in upper case', false, digest.toUpperCase()],
    ['with a prefix', false, `sha256=${digest}`],
    ['that is missing', false, undefined],
  ])('of Linear %s', (_, isGood, header) => {
    expect(isFromLinear([secret], body, header)).toBe(isGood);
  });
});

describe('the time that Linear signed', () => {
  const now = new Date(1_800_000_000_000);
  it.each([
    [0, true],
    [60_000, true],
    [-60_000, true],
    [60_001, false],
    [-60_001, false],
    [Number.NaN, false],
  ])('%d ms from now', (away, isGood) => {
    expect(isInTime(now.getTime() + away, now)).toBe(isGood);
  });
});
