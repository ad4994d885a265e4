import { hostNameOf, hostPatternOf, matchesHost } from './host-name.js';

describe('hostNameOf', () => {
  it.each([
    ['registry.npmjs.org', 'registry.npmjs.org'],
    ['Registry.NPMJS.org', 'registry.npmjs.org'],
    ['pypi.org.', 'pypi.org'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['1password.com', '1password.com'],
    ['10.example', '10.example'],
    ['a'.repeat(63) + '.example', 'a'.repeat(63) + '.example'],
  ])('reads %s', (text, name) => expect(hostNameOf(text)).toBe(name));

  it.each([
    ...[
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '127.0.0.1.',
      '1.2.3.0x4',
      'a.1',
    ],
    ...['::1', '[::1]', '[::ffff:127.0.0.1]', 'fe80::1%eth0', '::ffff:7f00:1', '[::]'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'registry', 'com'],
    ...[
      '',
      '.',
      '..',
      'a..example',
      '.example.com',
      'example.com..',
      '-a.example',
      'a-.example',
      'a_b.example',
    ],
    ...[
      'bücher.example',
      'example。com',
      'exampl\u212A.com',
      'exam\u00adple.com',
      'e\u0000.com',
      'a b.com',
      'a.com\n',
    ],
    ...[
      'user@a.com',
      'a.com:443',
      'a.com/',
      'a.com#',
      'a.com?',
      'a.com\\b.com',
      '%61.com',
      'https://a.com',
      '*.a.com',
    ],
    ...['a'.repeat(64) + '.example', `${'a.'.repeat(126)}example`],
  ])('refuses %j', (text) => expect(hostNameOf(text)).toBeNull());
});

describe('an entry', () => {
  it.each([
    ['*.example.com', '*.example.com'],
    ['*.Example.com.', '*.example.com'],
    ['example.com', 'example.com'],
    ['*.com', null],
    ['*', null],
    ['*.', null],
    ['*.*.com', null],
    ['a.*.com', null],
    ['*example.com', null],
    ['*.127.0.0.1', null],
    ['*.localhost', null],
  ])('%s is read as %s', (text, entry) => expect(hostPatternOf(text)).toBe(entry));

  it.each([
    ['example.com', 'example.com', true],
    ['example.com', 'a.example.com', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', 'example.com.evil.org', false],
  ])('%s means %s: %s', (pattern, name, meant) => expect(matchesHost(pattern, name)).toBe(meant));
});
