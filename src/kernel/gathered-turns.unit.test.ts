import { GatheredTurns } from './gathered-turns.js';

const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
};

/** Work that ends by command, and what each turn of it was handed. */
class Place {
  readonly turns: string[][] = [];
  readonly #ends: ((error?: Error) => void)[] = [];
  readonly gathered: GatheredTurns<string, string>;

  constructor(places: number, most = 3) {
    this.gathered = new GatheredTurns(places, most);
  }

  take = (one: string, key = 'acme'): Promise<string | undefined> =>
    this.gathered.take(key, one, (all) => {
      const number = this.turns.push(all);
      const answers = new Map(
        all.filter((each) => each !== 'none').map((each) => [each, `${each} ${number}`]),
      );
      return new Promise((resolve, reject) =>
        this.#ends.push((error) => (error ? reject(error) : resolve(answers))),
      );
    });

  async end(error?: Error): Promise<void> {
    this.#ends.shift()?.(error);
    await settled();
  }
}

describe('gathered turns', () => {
  it('take along who comes with them and who waits behind them, so many and no more, and answer each of their own', async () => {
    const place = new Place(1);
    const first = ['a', 'b', 'none', 'c', 'd'].map((one) => place.take(one));
    await settled();
    expect(place.turns).toEqual([['a', 'b', 'none']]);
    const late = place.take('e');
    await settled();
    await place.end();
    expect(place.turns[1]).toEqual(['c', 'd', 'e']);
    await place.end();
    expect(await Promise.all(first)).toEqual(['a 1', 'b 1', undefined, 'c 2', 'd 2']);
    expect([await late, place.turns.length, place.gathered.size]).toEqual(['e 2', 2, 0]);
  });

  it('are so many at a time of a key, and know nothing of another’s', async () => {
    const place = new Place(2, 1);
    const all = ['a', 'b', 'c'].map((one) => place.take(one));
    const other = place.take('z', 'other');
    await settled();
    expect(place.turns.toSorted()).toEqual([['a'], ['b'], ['z']]);
    for (let turn = 0; turn < 4; turn++) await place.end();
    expect(place.turns.at(-1)).toEqual(['c']);
    expect((await Promise.all([...all, other])).every(Boolean)).toBe(true);
  });

  it('fail for those of the turn alone', async () => {
    const place = new Place(1);
    const failing = ['a', 'b', 'c'].map((one) => place.take(one));
    const next = place.take('d');
    await settled();
    const seen = Promise.allSettled(failing);
    await place.end(new Error('away'));
    expect((await seen).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await place.end();
    expect(await next).toBe('d 2');
  });
});
