import type { DesiredState, WorkspaceState } from '../contracts/index.js';
import { legalMoves, plan, retryStep, statesWithRunner, type Step, type WorkspaceFacts } from './state.js';

const now = new Date('2026-05-01T12:00:00.000Z');
const minutesAgo = (minutes: number): Date => new Date(now.getTime() - minutes * 60_000);
const states = Object.keys(legalMoves) as WorkspaceState[];
const desiredStates: DesiredState[] = ['running', 'hibernated', 'deleted'];

/** A busy life: used a minute ago, in its state since a minute. */
function facts(changes: Partial<WorkspaceFacts>): WorkspaceFacts {
  return {
    state: 'running',
    desiredState: 'running',
    prepared: true,
    openTurns: 0,
    lastActivityAt: minutesAgo(1),
    stateChangedAt: minutesAgo(1),
    hasTokens: true,
    runnerHeardAt: minutesAgo(0.5),
    obstacle: null,
    idleTimeoutMinutes: 30,
    ...changes,
  };
}

/** A step in one word, to be read in a table. */
function word(step: Step): string {
  return step.do === 'begin' ? `${step.operation} -> ${step.to} (${step.why})` : step.do;
}

describe('plan: what is due, by state and desired state', () => {
  const table: [WorkspaceState, DesiredState, string][] = [
    ['provisioning', 'running', 'ensure-runner'],
    ['provisioning', 'hibernated', 'ensure-runner'],
    ['waking', 'running', 'ensure-runner'],
    ['waking', 'hibernated', 'ensure-runner'],
    ['running', 'running', 'ensure-runner'],
    ['running', 'hibernated', 'hibernate -> hibernating (asked)'],
    ['hibernating', 'running', 'stop'],
    ['hibernating', 'hibernated', 'stop'],
    ['hibernated', 'running', 'wake -> waking (asked)'],
    ['hibernated', 'hibernated', 'nothing'],
    ['failed', 'running', 'clean-up'],
    ['failed', 'hibernated', 'clean-up'],
    ['deleted', 'running', 'nothing'],
    ['deleted', 'hibernated', 'nothing'],
    ['deleting', 'running', 'destroy'],
    ['deleting', 'hibernated', 'destroy'],
    ['deleting', 'deleted', 'destroy'],
    ...states
      .filter((state) => state !== 'deleting')
      .map((state): [WorkspaceState, DesiredState, string] => [
        state,
        'deleted',
        'delete -> deleting (asked)',
      ]),
  ];
  it('has a row for each pair', () => {
    expect(new Set(table.map(([state, desired]) => `${state} ${desired}`)).size).toBe(
      states.length * desiredStates.length,
    );
  });
  it.each(table)('%s, wanted %s: %s', (state, desiredState, due) => {
    expect(word(plan(facts({ state, desiredState }), now))).toBe(due);
  });
});

describe('plan: idle', () => {
  const idle = 'hibernate -> hibernating (idle)';
  it.each([
    ['just before the limit', { lastActivityAt: new Date(minutesAgo(30).getTime() + 1) }, 'ensure-runner'],
    ['at the limit', { lastActivityAt: minutesAgo(30) }, idle],
    ['long after', { lastActivityAt: minutesAgo(60 * 24 * 30) }, idle],
    ['with a turn open', { lastActivityAt: minutesAgo(60), openTurns: 1 }, 'ensure-runner'],
    ['with a short limit of its own', { lastActivityAt: minutesAgo(1), idleTimeoutMinutes: 1 }, idle],
    ['when the clock went back', { lastActivityAt: minutesAgo(-60) }, 'ensure-runner'],
    ['while starting', { state: 'waking', lastActivityAt: minutesAgo(60) }, 'ensure-runner'],
    [
      'asleep already',
      { state: 'hibernated', desiredState: 'hibernated', lastActivityAt: minutesAgo(60) },
      'nothing',
    ],
    [
      'and asked to sleep',
      { desiredState: 'hibernated', lastActivityAt: minutesAgo(60) },
      'hibernate -> hibernating (asked)',
    ],
  ] as [string, Partial<WorkspaceFacts>, string][])('%s', (_, changes, due) => {
    expect(word(plan(facts(changes), now))).toBe(due);
  });
});

describe('plan: overdue', () => {
  it.each([
    ['provisioning', 29, 'ensure-runner'],
    ['provisioning', 30, 'give-up'],
    ['waking', 4, 'ensure-runner'],
    ['waking', 5, 'give-up'],
    ['running', 60, 'ensure-runner'],
    ['hibernating', 4, 'stop'],
    ['hibernating', 5, 'give-up'],
    ['deleting', 60, 'destroy'],
  ] as [WorkspaceState, number, string][])('%s for %d minutes: %s', (state, minutes, due) => {
    expect(word(plan(facts({ state, stateChangedAt: minutesAgo(minutes) }), now))).toBe(due);
  });
  it('says what did not happen, in how long, and what to do', () => {
    const step = plan(facts({ state: 'provisioning', stateChangedAt: minutesAgo(31) }), now);
    expect(step).toMatchObject({ do: 'give-up' });
    expect((step as { reason: string }).reason).toMatch(/prepare the repository within 30 minutes.*Wake it/);
  });
  it('deletes an overdue one rather than failing it', () => {
    const late = facts({ state: 'provisioning', desiredState: 'deleted', stateChangedAt: minutesAgo(90) });
    expect(word(plan(late, now))).toBe('delete -> deleting (asked)');
  });
});

describe('the table of legal moves', () => {
  it('knows every state as a start, and only known states as ends', () => {
    for (const ends of Object.values(legalMoves)) for (const end of ends) expect(states).toContain(end);
  });

  it('has every move that plan or a retry can begin, from whatever facts', () => {
    for (const state of states.filter((candidate) => candidate !== 'deleted')) {
      for (const desiredState of desiredStates) {
        for (const openTurns of [0, 1]) {
          for (const age of [0, 4, 6, 31, 10_000]) {
            const at = minutesAgo(age);
            const step = plan(
              facts({ state, desiredState, openTurns, lastActivityAt: at, stateChangedAt: at }),
              now,
            );
            if (step.do === 'begin') expect(legalMoves[state]).toContain(step.to);
            if (step.do === 'give-up') expect(legalMoves[state]).toContain('failed');
          }
        }
      }
    }
    for (const prepared of [true, false]) expect(legalMoves.failed).toContain(retryStep({ prepared }).to);
  });

  it('leads from every state to deleted, and from deleted nowhere', () => {
    const reaches = (from: WorkspaceState, seen = new Set<WorkspaceState>()): boolean =>
      from === 'deleted' ||
      legalMoves[from].some((to) => !seen.has(to) && reaches(to, new Set([...seen, from])));
    for (const state of states) expect(reaches(state)).toBe(true);
    expect(legalMoves.deleted).toEqual([]);
    expect(legalMoves.deleting).toEqual(['deleted']);
  });

  it('lets a runner speak only in states from which it may report success', () => {
    for (const state of statesWithRunner) expect(legalMoves[state]).toContain('failed');
    expect(states.filter((state) => legalMoves[state].includes('running'))).toEqual([
      'provisioning',
      'waking',
    ]);
  });
});

it('a retry clones anew only what was never there', () => {
  expect(word(retryStep({ prepared: false }))).toBe('provision -> provisioning (asked)');
  expect(word(retryStep({ prepared: true }))).toBe('wake -> waking (asked)');
});
