import { readLink, slugOf } from './link.js';

it.each([
  ['abc', 'abc', null],
  [' http://127.0.0.1:3000/setup?token=a%2Bb \n', 'a+b', 'http://127.0.0.1:3000'],
  ['https://example.com/berth/setup?token=abc', 'abc', 'https://example.com/berth'],
  ['https://example.com/invitations/accept?token=abc', 'abc', 'https://example.com'],
  ['http://', 'http://', null],
])('reads %j', (text, token, url) => expect(readLink(text)).toEqual({ token, url }));

it.each([
  ['Acme', 'acme'],
  ['Müller & Söhne', 'muller-sohne'],
  ['  --A--  ', 'a'],
  ['x'.repeat(50), 'x'.repeat(40)],
  [`${'x'.repeat(39)} y`, 'x'.repeat(39)],
  ['日本', ''],
])('makes a slug of %j', (name, slug) => expect(slugOf(name)).toBe(slug));
