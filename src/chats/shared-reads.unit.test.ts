import { setImmediate as turn } from 'node:timers/promises';
import { SharedReads, type Outcome } from './shared-reads.js';

interface UnderWay {
  first: string;
  /** Closes the read, and answers what it answers. */
  close: () => string[];
  end: (outcomes: Outcome<string>[]) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

/** Reads that close and end when the test says so. */
function underTest(atOnce?: number) {
  const underWay: UnderWay[] = [];
  const reads = new SharedReads<string, string>(
    (first, close) =>
      new Promise((resolve, reject) => {
        const then = async (act: () => void): Promise<void> => {
          act();
          await turn();
        };
        underWay.push({
          first,
          close,
          end: (outcomes) => then(() => resolve(outcomes)),
          fail: (error) => then(() => reject(error)),
        });
      }),
    atOnce,
  );
  /** The nth read that was begun. */
  const nth = (n: number): UnderWay => {
    const found = underWay[n];
    if (!found) throw new Error(`only ${underWay.length} reads were begun`);
    return found;
  };
  return { reads, underWay, nth };
}
const answers = (questions: string[]): Outcome<string>[] =>
  questions.map((question) => ({ answer: `${question}!` }));

describe('SharedReads', () => {
  it('reads once for all who ask until it closes, and again for who asks later', async () => {
    const { reads, underWay, nth } = underTest();
    const early = [reads.ask('key', 'a'), reads.ask('key', 'b')];
    await turn();
    early.push(reads.ask('key', 'c'));
    expect(underWay.map(({ first }) => first)).toEqual(['a']);
    const closed = nth(0).close();
    expect(closed).toEqual(['a', 'b', 'c']);
    const late = reads.ask('key', 'd');
    expect(underWay.map(({ first }) => first)).toEqual(['a', 'd']);
    await nth(0).end(answers(closed));
    expect(await Promise.all(early)).toEqual(['a!', 'b!', 'c!']);
    await nth(1).end(answers(nth(1).close()));
    expect(await late).toBe('d!');
  });

  it('keeps keys apart', async () => {
    const { reads, nth } = underTest();
    const both = [reads.ask('one', 'a'), reads.ask('two', 'b')];
    // The later one is not held up by the earlier.
    await nth(1).end(answers(nth(1).close()));
    expect(await both[1]).toBe('b!');
    await nth(0).end(answers(nth(0).close()));
    expect(await both[0]).toBe('a!');
  });

  it('refuses one without the others', async () => {
    const { reads, nth } = underTest();
    const [good, bad] = [reads.ask('key', 'a'), reads.ask('key', 'b')];
    nth(0).close();
    void nth(0).end([{ answer: 'good' }, { error: new Error('not you') }]);
    await expect(bad).rejects.toThrow('not you');
    expect(await good).toBe('good');
  });

  it('does few at once, the others in line; who waits in line is joined', async () => {
    const { reads, underWay, nth } = underTest(2);
    const all = ['1', '2', '3', '4', '3', '4'].map((key, at) => reads.ask(key, `${key}${at}`));
    expect(underWay.map(({ first }) => first)).toEqual(['10', '21']);
    for (let at = 0; at < 4; at++) {
      await nth(at).end(answers(nth(at).close()));
      expect(underWay.length).toBe(Math.min(4, at + 3));
    }
    expect(await Promise.all(all)).toEqual(['10!', '21!', '32!', '43!', '34!', '45!']);
    expect(underWay.length).toBe(4);
  });

  it.each(['before it closed', 'after it closed'])(
    'fails all of a read that failed %s, and goes on',
    async (when) => {
      const { reads, nth } = underTest(1);
      const failing = ['a', 'b'].map((question) => reads.ask('key', question));
      const settled = Promise.allSettled(failing);
      if (when === 'after it closed') nth(0).close();
      await nth(0).fail(new Error('gone'));
      for (const outcome of await settled)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'gone' } });
      const next = reads.ask('key', 'c');
      await nth(1).end(answers(nth(1).close()));
      expect(await next).toBe('c!');
    },
  );
});
