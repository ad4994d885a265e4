import { below, parseTarget } from './request-target.js';

describe('parseTarget', () => {
  it.each([
    ['/', '/', ''],
    ['/anthropic/v1/messages?beta=true', '/anthropic/v1/messages', 'beta=true'],
    ['/a?b?c=%2e%2e//..', '/a', 'b?c=%2e%2e//..'],
    ['/git/host:8443/a/..b/c.git/info/refs', '/git/host:8443/a/..b/c.git/info/refs', ''],
    ['/git/host/%C3%A4/x', '/git/host/%C3%A4/x', ''],
  ])('reads %s', (url, path, query) => {
    expect(parseTarget(url)).toEqual({ path, query });
  });

  it.each([
    '',
    '*',
    'http://x/anthropic/v1/messages',
    'x:443',
    '//x/y',
    '/a//b',
    '/a/../b',
    '/a/..',
    '/./a',
    '/a/%2E%2e/b',
    '/a%2Fb',
    '/a%5Cb',
    '/a\\b',
    '/a%00',
    '/a%252fb',
    '/a#b',
    '/a b',
    '/a\tb',
    '/a\u0000',
    '/ä',
    `/${'a'.repeat(9000)}`,
  ])('refuses %j', (url) => {
    expect(parseTarget(url)).toBeNull();
  });
});

it.each([
  ['/a', '/a', ''],
  ['/a/', '/a', '/'],
  ['/a/b', '/a', '/b'],
  ['/ab', '/a', null],
  ['/b/a', '/a', null],
])('below(%s, %s) is %j', (path, prefix, expected) => {
  expect(below(path, prefix)).toBe(expected);
});
