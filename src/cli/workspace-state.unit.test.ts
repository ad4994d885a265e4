import { reached, type Goal } from './workspace-state.js';

it.each([
  ['provisioning', 'running', 'running', false],
  ['running', 'running', 'running', true],
  ['waking', 'running', 'running', false],
  ['hibernating', 'hibernated', 'hibernated', false],
  ['hibernated', 'hibernated', 'hibernated', true],
  // Reached, whatever comes next.
  ['hibernated', 'running', 'hibernated', true],
] as [string, string, Goal, boolean][])('%s, wanted %s, for %s', (state, desiredState, goal, done) =>
  expect(reached({ id: 'w', state, desiredState }, goal)).toBe(done),
);

it.each([
  ['failed', 'running', 'running', 7],
  ['deleting', 'deleted', 'running', 7],
  ['hibernating', 'running', 'hibernated', 5],
  ['waking', 'hibernated', 'running', 5],
] as [string, string, Goal, number][])(
  '%s, wanted %s, is no more for %s',
  (state, desiredState, goal, exitCode) =>
    expect(() => reached({ id: 'w', state, desiredState }, goal)).toThrow(
      expect.objectContaining({ exitCode }) as Error,
    ),
);

it('knows nothing of what an older Berth wanted', () =>
  expect(reached({ id: 'w', state: 'waking' }, 'running')).toBe(false));
