import type { WorkspaceState } from '../contracts/index.js';
import { causeOf, deadlineOf, deadlines, overdueReason, waitOf, type PhaseFacts } from './deadlines.js';
import { legalMoves } from './state.js';

const now = new Date('2026-05-01T12:00:00.000Z');
const secondsAgo = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);
const facts = (changes: Partial<PhaseFacts>): PhaseFacts => ({
  state: 'waking',
  stateChangedAt: secondsAgo(60),
  hasTokens: true,
  runnerHeardAt: secondsAgo(10),
  obstacle: null,
  ...changes,
});

describe('what a workspace waits for', () => {
  it.each([
    ['no worker', { state: 'provisioning', hasTokens: false, runnerHeardAt: null }, 'no-worker'],
    ['no worker after sleep', { hasTokens: false, runnerHeardAt: secondsAgo(3600) }, 'no-worker'],
    ['no hello ever', { state: 'provisioning', runnerHeardAt: null }, 'runner-silent'],
    ['a hello before it slept is none', { runnerHeardAt: secondsAgo(61) }, 'runner-silent'],
    ['a clone', { state: 'provisioning' }, 'clone-under-way'],
    ['its files', {}, 'tree-under-way'],
    ['a runtime that does not start it', { obstacle: 'No.' }, 'runtime-refuses'],
    ['a runtime that does not stop it', { state: 'hibernating', obstacle: 'No.' }, 'runtime-refuses'],
    ['the end of its processes', { state: 'hibernating' }, 'processes-to-end'],
    ['the end of its files', { state: 'deleting' }, 'files-to-go'],
    ['nothing: it runs', { state: 'running' }, undefined],
    ['nothing: it sleeps', { state: 'hibernated', obstacle: 'x' }, undefined],
    ['nothing: it failed', { state: 'failed', obstacle: 'It failed.' }, undefined],
  ] as [string, Partial<PhaseFacts>, string | undefined][])('%s', (_, changes, code) => {
    expect(causeOf(facts(changes))?.code).toBe(code);
  });

  it('is told after half a minute, and not before', () => {
    expect(waitOf(facts({ stateChangedAt: secondsAgo(29) }), now)).toBeNull();
    expect(waitOf(facts({ stateChangedAt: secondsAgo(30) }), now)).not.toBeNull();
  });
});

describe('deadlines', () => {
  it('has one for every state that must end, and for no other', () => {
    const passing = (Object.keys(legalMoves) as WorkspaceState[]).filter((state) => deadlineOf(state));
    expect(passing.sort()).toEqual(['deleting', 'hibernating', 'provisioning', 'waking']);
  });

  it.each(Object.entries(deadlines))(
    '%s ends with a cause, or goes on telling it',
    (state, { minutes, then }) => {
      const at = (seconds: number): string | null =>
        overdueReason(facts({ state: state as WorkspaceState, stateChangedAt: secondsAgo(seconds) }), now);
      expect(at(minutes * 60 - 1)).toBeNull();
      if (then === 'tell') expect(at(minutes * 600)).toBeNull();
      else expect(at(minutes * 60)).toContain(`within ${minutes} minutes`);
    },
  );

  it('names what was waited for', () => {
    const refused = facts({ state: 'hibernating', stateChangedAt: secondsAgo(301), obstacle: 'It said no.' });
    expect(overdueReason(refused, now)).toMatch(/go to sleep within 5 minutes\. It said no\. Wake it/);
  });
});
