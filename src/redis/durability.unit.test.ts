import { concernsOf, isTooOld, parseInfo, type RedisSettings } from './durability.js';

const good: RedisSettings = {
  version: '7.0.15',
  appendOnly: true,
  save: '',
  evictionPolicy: 'noeviction',
};

describe('concernsOf', () => {
  it.each<[string, Partial<RedisSettings>, string[]]>([
    ['an append-only file', {}, []],
    ['snapshots alone', { appendOnly: false, save: '3600 1 300 100' }, []],
    ['nothing on disk', { appendOnly: false }, ['appendonly yes']],
    ['keys thrown away', { evictionPolicy: 'allkeys-lru' }, ['maxmemory-policy noeviction']],
    ['keys thrown away that expire', { evictionPolicy: 'volatile-ttl' }, ['maxmemory-policy noeviction']],
    [
      'both',
      { evictionPolicy: 'allkeys-random', appendOnly: false },
      ['maxmemory-policy noeviction', 'appendonly yes'],
    ],
    ['no answer about snapshots', { appendOnly: false, save: null }, []],
    ['no answer at all', { appendOnly: null, save: null, evictionPolicy: null }, []],
  ])('of a Redis with %s', (_, settings, expected) => {
    const concerns = concernsOf({ ...good, ...settings });
    expect(concerns).toHaveLength(expected.length);
    for (const [at, advice] of expected.entries()) expect(concerns[at]).toContain(`set "${advice}"`);
  });
});

it.each([
  ['6.0.16', true],
  ['5.0.14', true],
  ['6.2.0', false],
  ['7.0.15', false],
  ['10.1', false],
  ['valkey', false],
  [null, false],
])('version %s is too old: %s', (version, expected) => {
  expect(isTooOld(version)).toBe(expected);
});

it('reads the answer of INFO', () => {
  const info = parseInfo('# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n# Memory\r\n');
  expect(Object.fromEntries(info)).toEqual({ redis_version: '7.0.15', executable: '/a:b' });
});
