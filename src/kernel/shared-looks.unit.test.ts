import { SharedLooks } from './shared-looks.js';

/** What has happened of many promises by the next turn of the loop. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Looks that end by command. */
class Place {
  begun = 0;
  readonly looks = new SharedLooks<number>();
  readonly #ends: ((error?: Error) => void)[] = [];

  ask = (key = 'a'): Promise<number> =>
    this.looks.take(key, () => {
      const number = ++this.begun;
      return new Promise((resolve, reject) =>
        this.#ends.push((error) => (error ? reject(error) : resolve(number))),
      );
    });

  async end(error?: Error): Promise<void> {
    this.#ends.shift()?.(error);
    await settled();
  }
}

describe('shared looks', () => {
  it('answer all who ask before a look begins, and those who come later with the next', async () => {
    const place = new Place();
    const first = [place.ask(), place.ask()];
    await settled();
    expect(place.begun).toBe(1);
    const second = Array.from({ length: 100 }, () => place.ask());
    await settled();
    expect(place.begun).toBe(1);
    await place.end();
    expect([await Promise.all(first), place.begun]).toEqual([[1, 1], 2]);
    await place.end();
    expect(new Set(await Promise.all(second))).toEqual(new Set([2]));
    expect([place.begun, place.looks.size]).toEqual([2, 0]);
  });

  it('of different things go on side by side', async () => {
    const place = new Place();
    const asked = [place.ask('a'), place.ask('b')];
    await settled();
    expect(place.begun).toBe(2);
    await place.end();
    await place.end();
    expect(await Promise.all(asked)).toEqual([1, 2]);
  });

  it('that fail, fail for those who share them alone', async () => {
    const place = new Place();
    const failing = place.ask();
    await settled();
    const next = place.ask();
    const seen = expect(failing).rejects.toThrow('away');
    await place.end(new Error('away'));
    await seen;
    await place.end();
    expect(await next).toBe(2);
    expect(place.looks.size).toBe(0);
  });
});
