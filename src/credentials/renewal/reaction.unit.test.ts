import { reactionTo, settlementOf, type CallFacts, type Reaction, type ReportedOn } from './reaction.js';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const [PAST, FUTURE] = [new Date(NOW.getTime() - 1), new Date(NOW.getTime() + 1)];

const login: ReportedOn = { generation: 7, status: 'active', renewable: true, refusedGeneration: null };
const key: ReportedOn = { ...login, renewable: false };

describe('reactionTo', () => {
  it.each<[string, Parameters<typeof reactionTo>[0], ReportedOn, Reaction]>([
    ['a refused token of a login', { type: 'refused', generation: 7, until: null }, login, 'renew'],
    [
      'one that is refused already',
      { type: 'refused', generation: 7, until: null },
      { ...login, refusedGeneration: 7 },
      'nothing',
    ],
    [
      'one after a former one was refused',
      { type: 'refused', generation: 7, until: null },
      { ...login, refusedGeneration: 6 },
      'renew',
    ],
    [
      'one whose renewal is being tried',
      { type: 'refused', generation: 7, until: null },
      { ...login, status: 'refreshing' },
      'renew',
    ],
    ['an older generation', { type: 'refused', generation: 6, until: null }, login, 'nothing'],
    ['a newer generation than there is', { type: 'refused', generation: 8, until: null }, login, 'nothing'],
    [
      'a login that is rejected',
      { type: 'refused', generation: 7, until: null },
      { ...login, status: 'rejected' },
      'nothing',
    ],
    ['a refused API key', { type: 'refused', generation: 7, until: null }, key, 'reject'],
    [
      'an API key that was replaced meanwhile',
      { type: 'refused', generation: 6, until: null },
      key,
      'nothing',
    ],
    [
      'an API key that is rejected already',
      { type: 'refused', generation: 7, until: null },
      { ...key, status: 'rejected' },
      'nothing',
    ],
    ['a missing scope of a login', { type: 'denied', generation: 7, until: null }, login, 'note'],
    ['a missing scope of an API key', { type: 'denied', generation: 7, until: null }, key, 'note'],
    ['an older denial', { type: 'denied', generation: 6, until: null }, login, 'nothing'],
    [
      'a missing scope of a login that has ended',
      { type: 'denied', generation: 7, until: null },
      { ...login, status: 'rejected' },
      'nothing',
    ],
    ['a used up quota', { type: 'limited', generation: 7, until: FUTURE }, login, 'limit'],
    ['a quota that is there again', { type: 'limited', generation: 7, until: PAST }, login, 'nothing'],
    ['a quota that is there again now', { type: 'limited', generation: 7, until: NOW }, login, 'nothing'],
    ['a rate, an overload', { type: 'limited', generation: 7, until: null }, login, 'nothing'],
    ['a quota of an older generation', { type: 'limited', generation: 6, until: FUTURE }, login, 'nothing'],
  ])('%s', (_, report, row, reaction) => {
    expect(reactionTo(report, row, NOW)).toBe(reaction);
  });
});

describe('settlementOf', () => {
  const call: CallFacts = { repeatable: false, graceSeconds: 0, ageSeconds: 1, unknownBefore: 0 };
  const grace: CallFacts = { ...call, graceSeconds: 1800 };

  it.each<[string, Parameters<typeof settlementOf>, ReturnType<typeof settlementOf>]>([
    ['new tokens', ['renewed', call], 'store'],
    ['an end of the login', ['rejected', call], 'reject'],
    ['an end of the login within a grace', ['rejected', grace], 'reject'],
    ['a provider that is down', ['failed', call], 'later'],
    ['an answer that was lost', ['unknown', call], 'reject'],
    ['an answer that was lost, within a grace', ['unknown', grace], 'again'],
    ['one that was lost twice, within a grace', ['unknown', { ...grace, unknownBefore: 1 }], 'reject'],
    ['one that was lost, after the grace', ['unknown', { ...grace, ageSeconds: 1800 }], 'reject'],
    ['an answer that was lost where nothing is spent', ['unknown', { ...call, repeatable: true }], 'later'],
  ])('%s', (_, args, settlement) => {
    expect(settlementOf(...args)).toBe(settlement);
  });
});
