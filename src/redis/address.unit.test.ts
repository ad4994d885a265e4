import { addressOf, placeOf } from './address.js';

describe('addressOf', () => {
  it.each([
    ['redis://cache', { host: 'cache', port: 6379, db: 0 }],
    ['redis://127.0.0.1:6380/3', { host: '127.0.0.1', port: 6380, db: 3 }],
    ['redis://[::1]:6380/', { host: '::1', port: 6380, db: 0 }],
    ['redis://:p%40ss%2F@cache', { host: 'cache', port: 6379, db: 0, password: 'p@ss/' }],
    ['redis://berth:x@cache/1', { host: 'cache', port: 6379, db: 1, username: 'berth', password: 'x' }],
    ['rediss://cache:6390', { host: 'cache', port: 6390, db: 0, tls: {} }],
  ])('of %s', (url, expected) => {
    expect(addressOf(url)).toEqual(expected);
  });

  it('keeps the login out of what people read', () => {
    expect(placeOf('rediss://berth:secret@cache/1')).toBe('cache:6379');
    expect(placeOf('redis://:secret@[::1]:7000')).toBe('[::1]:7000');
  });
});
