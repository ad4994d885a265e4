import { rowsLeft, finished, waitForRotation } from './rotation.js';
import { testCli } from './testing/test-cli.js';
import type { Keys } from './wire.js';

const keys = (state: string, { target = 'k2', left = 3 } = {}): Keys => ({
  sealingKey: 'k2',
  keys: [
    { id: 'k2', inRing: true, createdAt: null, retiredAt: null, rows: { credentials: 4 } },
    { id: 'k1', inRing: true, createdAt: null, retiredAt: null, rows: { credentials: left, answers: 2 } },
  ],
  rotation: { target, state, startedAt: '2026-01-02T03:04:05.000Z', finishedAt: null },
  advice: [],
});

it.each([
  ['running', 'k2', false],
  ['finished', 'k2', true],
])('a rotation that is %s to %s is over: %s', (state, target, over) =>
  expect(finished(keys(state, { target }), 'k2')).toBe(over),
);

it.each([
  ['superseded', 'k2', 'Another rotation took the place of the one to "k2".'],
  ['running', 'k1', 'Another rotation, to "k1", took the place of the one to "k2".'],
  ['finished', 'k1', 'Another rotation, to "k1", took the place of the one to "k2".'],
])('one that is %s, now to %s, will never be', (state, target, says) => {
  const look = () => finished(keys(state, { target }), 'k2');
  expect(look).toThrow(says);
  expect(look).toThrow(expect.objectContaining({ exitCode: 5 }) as Error);
});

it('counts what is under the other keys', () => expect(rowsLeft(keys('running'), 'k2')).toBe(5));

it('says how much is left, and asks until nothing is', async () => {
  const cli = testCli('http://127.0.0.1:2', 'berth_k');
  const seen = [keys('running', { left: 1 }), keys('finished', { left: 0 })];
  const look = () => Promise.resolve(seen.shift() ?? keys('finished'));
  const last = await waitForRotation({ ...cli.context, json: false }, keys('running'), look);
  expect(last.rotation?.state).toBe('finished');
  expect(cli.err).toBe('Rotation to "k2": 5 rows are left\nRotation to "k2": 3 rows are left\n');
  expect(cli.pauses).toEqual([1_000, 1_000]);
});
