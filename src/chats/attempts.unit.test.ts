import {
  AUTHENTICATION_FAILED,
  leftUnanswered,
  leftWork,
  modeOf,
  retrySeconds,
  type AttemptFacts,
  type LeftBehind,
} from './attempts.js';

describe('modeOf', () => {
  const first: AttemptFacts = {
    toolsBegan: false,
    refusedAttempts: 0,
    afterUnanswered: false,
    point: null,
    hasHistory: false,
  };

  it.each<[string, Partial<AttemptFacts>, string]>([
    ['the first attempt asks', {}, 'start'],
    ['so in a session with a history', { hasHistory: true, point: 'p' }, 'start'],
    ['a refused first message is asked anew', { refusedAttempts: 1 }, 'replay'],
    [
      'a later one where the session was good',
      { refusedAttempts: 1, point: 'p', hasHistory: true },
      'replay',
    ],
    ['twice in a row as well', { refusedAttempts: 2, point: 'p', hasHistory: true }, 'replay'],
    [
      'nothing is asked again once a tool began',
      { refusedAttempts: 1, toolsBegan: true, point: 'p' },
      'continue',
    ],
    ['or may have begun, with a runner that is gone', { toolsBegan: true }, 'continue'],
    ['no history is lost for a cut in the dark', { refusedAttempts: 1, hasHistory: true }, 'continue'],
    [
      'what an unanswered turn left is cut off',
      { afterUnanswered: true, point: 'p', hasHistory: true },
      'replay',
    ],
    ['also when it was the first', { afterUnanswered: true }, 'replay'],
    ['but never in the dark', { afterUnanswered: true, hasHistory: true }, 'start'],
  ])('%s', (_, more, mode) => {
    expect(modeOf({ ...first, ...more })).toBe(mode);
  });
});

describe('retrySeconds', () => {
  it('grows, with some jitter, and stays short enough to wait for', () => {
    expect([1, 2].map((attempts) => retrySeconds(attempts, 0))).toEqual([2, 8]);
    expect([1, 2].map((attempts) => retrySeconds(attempts, 0.9999).toFixed(1))).toEqual(['2.5', '10.0']);
  });
});

describe('what a turn left in the session of its agent', () => {
  const nothing: LeftBehind = {
    errorCode: null,
    toolsBegan: false,
    answered: false,
    betweenAttempts: false,
  };
  const unauthenticated = { errorCode: AUTHENTICATION_FAILED };

  it.each<[string, Partial<LeftBehind>, { unanswered: boolean; work: boolean }]>([
    ['nobody answered, whatever ended it', {}, { unanswered: false, work: false }],
    ['no login was accepted', unauthenticated, { unanswered: true, work: false }],
    ['nor was before it was canceled', { betweenAttempts: true }, { unanswered: true, work: false }],
    [
      'an answer broke off for lack of a login',
      { ...unauthenticated, answered: true },
      { unanswered: true, work: false },
    ],
    ['an answer was interrupted', { answered: true }, { unanswered: false, work: true }],
    ['a tool began', { toolsBegan: true }, { unanswered: false, work: true }],
    [
      'a tool began, and then no login was accepted',
      { ...unauthenticated, toolsBegan: true, answered: true },
      { unanswered: false, work: true },
    ],
    [
      'the same, and it was canceled before the next attempt',
      { betweenAttempts: true, toolsBegan: true },
      { unanswered: false, work: true },
    ],
  ])('%s', (_, more, { unanswered, work }) => {
    const left = { ...nothing, ...more };
    expect([leftUnanswered(left), leftWork(left)]).toEqual([unanswered, work]);
  });
});
