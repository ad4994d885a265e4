import { GatheredLooks } from './gathered-looks.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Looks that end by command, and what each was asked for. */
class Place {
  readonly asked: string[][] = [];
  readonly looks = new GatheredLooks<string>();
  readonly #ends: ((error?: Error) => void)[] = [];

  ask = (one: string, key = 'a'): Promise<string | undefined> =>
    this.looks.take(key, one, (all) => {
      this.asked.push(all);
      const found = new Map(
        all.filter((id) => id !== 'gone').map((id) => [id, `${id} of look ${this.asked.length}`]),
      );
      return new Promise((resolve, reject) =>
        this.#ends.push((error) => (error ? reject(error) : resolve(found))),
      );
    });

  async end(error?: Error): Promise<void> {
    this.#ends.shift()?.(error);
    await settled();
  }
}

describe('gathered looks', () => {
  it('find all that was asked for before they began, each once, and tell each of its own', async () => {
    const place = new Place();
    const first = [place.ask('x'), place.ask('y'), place.ask('x'), place.ask('gone')];
    await settled();
    // Under way: of the next, also for the same thing.
    const second = [place.ask('z'), place.ask('x')];
    await settled();
    expect(place.asked).toEqual([['x', 'y', 'gone']]);
    await place.end();
    expect(await Promise.all(first)).toEqual(['x of look 1', 'y of look 1', 'x of look 1', undefined]);
    await place.end();
    expect(await Promise.all(second)).toEqual(['z of look 2', 'x of look 2']);
    expect([place.asked[1], place.looks.size]).toEqual([['z', 'x'], 0]);
  });

  it('take things that are objects for each one’s own, though they are equal', async () => {
    const looks = new GatheredLooks<number, { name: string }>();
    const take = (one: { name: string }) =>
      looks.take('a', one, (all) => Promise.resolve(new Map(all.map((each, at) => [each, at]))));
    expect(await Promise.all([take({ name: 'x' }), take({ name: 'x' })])).toEqual([0, 1]);
  });

  it('of one key know nothing of another’s, and fail for those who share them alone', async () => {
    const place = new Place();
    const failing = place.ask('x');
    const other = place.ask('y', 'b');
    await settled();
    const next = place.ask('x');
    const seen = expect(failing).rejects.toThrow('away');
    await place.end(new Error('away'));
    await seen;
    await place.end();
    await place.end();
    expect([await other, await next]).toEqual(['y of look 2', 'x of look 3']);
    expect(place.asked).toEqual([['x'], ['y'], ['x']]);
  });
});
