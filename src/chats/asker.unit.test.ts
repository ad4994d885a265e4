import { servedFor, type Askers } from './asker.js';

describe('who is served', () => {
  it.each<[string, Askers, string | null]>([
    ['nobody has asked', { underWay: false, current: null, next: null }, 'owner'],
    ['the owner asks first', { underWay: false, current: null, next: 'owner' }, 'owner'],
    ['another asks first', { underWay: false, current: null, next: 'ann' }, null],
    ['another’s turn is under way', { underWay: true, current: 'ann', next: null }, 'ann'],
    ['the owner’s turn is under way', { underWay: true, current: 'owner', next: null }, 'owner'],
    ['nobody’s turn is under way', { underWay: true, current: null, next: null }, 'owner'],
    ['another’s turn is over', { underWay: false, current: 'ann', next: null }, 'ann'],
    ['the same asks again', { underWay: false, current: 'ann', next: 'ann' }, 'ann'],
    ['another follows', { underWay: false, current: 'ann', next: 'bob' }, null],
    ['the owner follows', { underWay: false, current: 'ann', next: 'owner' }, null],
  ])('when %s', (_, askers, expected) => {
    expect(servedFor(askers, 'owner')).toBe(expected);
  });
});
