import { dueOf, pauseSeconds, type WaitingReply } from './order.js';

const now = new Date('2026-01-01T12:00:00.000Z');
const after = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

/** In order, by what they are: `type[:attempts[:secondsUntilDue[:secondsSinceMade]]]`; `!` before it where it is overtaken. */
function waiting(...replies: string[]): WaitingReply[] {
  return replies.map((text, index) => {
    const [type = '', attempts = '0', due = '0', age = '0'] = text.split(':');
    return {
      id: `${index}`,
      type: type.replace('!', '') as WaitingReply['type'],
      isOvertaken: type.startsWith('!'),
      attempts: Number(attempts),
      nextAt: after(Number(due)),
      createdAt: after(-Number(age)),
    };
  });
}

describe('dueOf', () => {
  const cases: [
    string,
    string[],
    { next: string | null; folded?: string[]; late?: string[]; overtaken?: string[]; at?: number },
  ][] = [
    ['nothing waits', [], { next: null }],
    ['the first in order', ['started', 'answer'], { next: '0' }],
    ['a sign of life before all that waits', ['answer', 'progress', 'seen'], { next: '2' }],
    ['a sign of life beside one that is on its way', ['answer:1:15', 'seen'], { next: '1' }],
    ['the rest while a sign of life pauses', ['seen:1:60', 'started'], { next: '1' }],
    ['nobody overtakes one that pauses', ['started:1:30', 'answer'], { next: null, at: 30 }],
    ['the newest of progress', ['progress', 'progress', 'progress'], { next: '2', folded: ['0', '1'] }],
    [
      'progress up to what is said in between',
      ['progress', 'progress', 'plan', 'progress'],
      { next: '1', folded: ['0'] },
    ],
    [
      'progress that was tried is tried again as it is',
      ['progress:1:0', 'progress', 'progress'],
      { next: '0' },
    ],
    ['the newest at the time of the first', ['progress', 'progress:0:3'], { next: '1', folded: ['0'] }],
    ['nothing is folded before its time', ['progress:0:2', 'progress:0:3'], { next: null, at: 2 }],
    ['a late sign of life is left out', ['seen:0:0:601', 'started'], { next: '1', late: ['0'] }],
    ['a sign of life behind the end is left out', ['!seen:1', 'progress'], { next: '1', overtaken: ['0'] }],
    ['somebody is on one that is overtaken', ['!seen:1:5'], { next: null, at: 5 }],
    ['late and overtaken is late', ['!seen:1:0:601'], { next: null, late: ['0'] }],
    ['late progress too', ['progress:0:0:3601', 'answer:0:0:3601'], { next: '1', late: ['0'] }],
    ['an answer after a day', ['answer:9:0:86401', 'plan'], { next: '1', late: ['0'] }],
    ['somebody is on a late one', ['answer:9:5:86401', 'plan'], { next: null, at: 5 }],
  ];
  it.each(cases)('%s', (_, replies, { next, folded = [], late = [], overtaken = [], at }) => {
    const due = dueOf(waiting(...replies), now);
    expect([due.next?.id ?? null, due.folded, due.late, due.overtaken]).toEqual([
      next,
      folded,
      late,
      overtaken,
    ]);
    if (at !== undefined) expect(due.at).toEqual(after(at));
  });
});

describe('pauseSeconds', () => {
  it('doubles up to ten minutes, and a quarter more by chance', () => {
    expect([1, 2, 3, 9, 10, 50].map((attempts) => pauseSeconds(attempts, 0))).toEqual([
      2, 4, 8, 512, 600, 600,
    ]);
    expect(pauseSeconds(1, 0.999)).toBeCloseTo(2.5, 2);
  });
});
