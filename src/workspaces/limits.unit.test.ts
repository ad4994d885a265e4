import type { DesiredState, WorkspaceState } from '../contracts/index.js';
import { objectionToNew, objectionToRunning, takesPlace, type LimitFacts } from './limits.js';

const facts = (workspaces: number, running: number): LimitFacts => ({
  maxWorkspaces: 3,
  maxRunning: 2,
  maxRequestsPerSecond: 200,
  workspaces,
  running,
});

describe('limits', () => {
  it.each<[number, number, string | undefined]>([
    [0, 0, undefined],
    [2, 1, undefined],
    [3, 0, 'limit-workspaces'],
    [4, 2, 'limit-workspaces'],
    [2, 2, 'limit-running'],
    [2, 5, 'limit-running'],
  ])('with %i alive and %i running of 3 and 2, one more: %s', (workspaces, running, code) => {
    expect(objectionToNew(facts(workspaces, running))?.code).toBe(code);
  });

  it('let one more run below the limit, also with all alive', () => {
    expect(objectionToRunning(facts(3, 1))).toBeNull();
    const objection = objectionToRunning(facts(3, 2));
    expect(objection).toMatchObject({ code: 'limit-running', status: 429 });
    expect(objection?.message).toContain('Hibernate one');
  });

  const states: WorkspaceState[] = [
    'provisioning',
    'running',
    'waking',
    'hibernating',
    'hibernated',
    'failed',
    'deleting',
  ];
  it.each<[DesiredState, string]>([
    ['running', '+++++-+'],
    ['hibernated', '+++----'],
    ['deleted', '-------'],
  ])('a place for running is taken by one that is to be %s, by state: %s', (desiredState, expected) => {
    expect(states.map((state) => (takesPlace({ state, desiredState }) ? '+' : '-')).join('')).toBe(expected);
  });
});
