import type { Actor, Found } from '../../identity/index.js';
import { breaker, isPauseOver, tooMuch } from './breaker.js';
import { decideAsk, type AskFacts } from './decision.js';
import { nameFrom, promptFrom } from './words.js';

const linked: Found = { outcome: 'linked', actor: {} as Actor, accountId: 'a', proof: 'email' };
const running = { state: 'running', desiredState: 'running' } as const;
const facts: AskFacts = {
  isKnown: false,
  excess: null,
  isPaused: false,
  who: linked,
  automation: false,
  refusal: null,
  workspace: null,
  mayStart: true,
};
const refusal = { reason: 'may-not-write', text: 'You may not write there.' };

describe('what becomes of an ask', () => {
  it.each<[string, Partial<AskFacts>, object]>([
    ['starts a workspace', {}, { do: 'start' }],
    ['continues the one that is there', { workspace: running }, { do: 'continue' }],
    ['continues one that failed', { workspace: { ...running, state: 'failed' } }, { do: 'continue' }],
    [
      'continues one that sleeps',
      { workspace: { state: 'hibernated', desiredState: 'hibernated' } },
      { do: 'continue' },
    ],
    [
      'starts anew when it is deleted',
      { workspace: { ...running, desiredState: 'deleted' } },
      { do: 'start' },
    ],
    [
      'starts nothing where it may not',
      { mayStart: false },
      { do: 'nothing', outcome: 'ignored-nothing-here' },
    ],
    ['continues where it may not start', { mayStart: false, workspace: running }, { do: 'continue' }],
    ['waits for who is not connected', { who: { outcome: 'unlinked' }, refusal }, { do: 'wait-for-link' }],
    [
      'asks nobody to connect who starts nothing',
      { who: { outcome: 'unlinked' }, mayStart: false },
      { do: 'nothing' },
    ],
    [
      'is refused for who may not',
      { refusal },
      { do: 'refuse', outcome: 'refused-may-not-write', text: refusal.text },
    ],
    [
      'is not answered for an app',
      { who: { outcome: 'refused', reason: 'app' } },
      { do: 'refuse', text: null },
    ],
    ['is not guessed', { who: { outcome: 'refused', reason: 'ambiguous' } }, { do: 'wait-for-link' }],
    [
      'is refused for another’s name',
      { who: { outcome: 'refused', reason: 'handle-taken' } },
      { outcome: 'refused-handle-taken' },
    ],
    ['is nobody’s to charge', { who: null }, { do: 'refuse', outcome: 'refused-automation' }],
    ['is the organization’s where it allows that', { who: null, automation: true }, { do: 'start' }],
    [
      'is not heard while it is paused',
      { isPaused: true, workspace: running },
      { do: 'nothing', outcome: 'stopped-by-breaker' },
    ],
    ['pauses what is too much', { excess: 'Too much.' }, { do: 'pause', text: 'Too much.' }],
    ['is not counted twice', { excess: 'Too much.', isKnown: true }, { do: 'start' }],
  ])('%s', (_, change, decision) => {
    expect(decideAsk({ ...facts, ...change })).toMatchObject(decision);
  });
});

describe('the breaker', () => {
  const none = { inConversation: 0, inHour: 0, inDay: 0, ofNobody: 0, ofNobodyInAll: 0 };
  it.each([
    ['a lively talk', { ...none, inConversation: breaker.inConversation - 1 }, false, false],
    ['more than that', { ...none, inConversation: breaker.inConversation }, false, true],
    ['one in each minute of an hour', { ...none, inHour: breaker.inHour }, false, true],
    ['more in a day than anybody has patience for', { ...none, inDay: breaker.inDay }, false, true],
    ['one more of nobody', { ...none, ofNobody: 1 }, true, false],
    ['a third of nobody', { ...none, ofNobody: 2 }, true, true],
    ['a person where nobody asked twice', { ...none, ofNobody: 2 }, false, false],
    ['nobody in many places', { ...none, ofNobodyInAll: breaker.ofNobodyInAll }, true, true],
  ])('%s', (_, counts, isNobody, trips) => {
    expect(tooMuch(counts, isNobody) !== null).toBe(trips);
  });

  it('trips where it was asked at once too often in a row', () => {
    expect(tooMuch(none, false, breaker.atOnce - 1)).toBeNull();
    expect(tooMuch(none, false, breaker.atOnce)).toContain('loop');
  });

  it('lets go after an hour', () => {
    const at = new Date(0);
    expect(isPauseOver(at, new Date(3_599_999))).toBe(false);
    expect(isPauseOver(at, new Date(3_600_000))).toBe(true);
  });
});

describe('words from outside', () => {
  it.each([
    ['Fix the login', 'Fix the login'],
    [' a\u0000b\nc\u202Ed\u2028e ', 'a b c d e'],
    ['\u0007\n', undefined],
    [`${'x'.repeat(99)}😀`, 'x'.repeat(99)],
    ['half \ud83d', 'half \ufffd'],
  ])('name a workspace: %j', (title, name) => {
    expect(nameFrom(title)).toBe(name);
  });

  it('become a message whatever they are', () => {
    expect(promptFrom('a\u0000b\ud83dc')).toBe('a␀b\ufffdc');
    const long = promptFrom('😀'.repeat(200_000));
    expect(long.length).toBeLessThanOrEqual(100_000);
    expect(long).toMatch(/cut off: it was too long\.]$/);
  });
});
