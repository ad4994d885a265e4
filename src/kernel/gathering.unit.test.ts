import { setImmediate as turn } from 'node:timers/promises';
import { Gathering } from './gathering.js';

/** A store whose writes end when the test says so. */
class Store {
  readonly writes: number[][] = [];
  readonly #ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  readonly gathering = new Gathering<number>((items) => {
    this.writes.push(items);
    return new Promise<void>((resolve, reject) => this.#ends.push({ resolve, reject }));
  });

  async end(error?: Error): Promise<void> {
    const end = this.#ends.shift();
    if (error) end?.reject(error);
    else end?.resolve();
    await turn();
    await turn();
  }
}

describe('Gathering', () => {
  it('writes together what comes in one turn, and what comes while a write is under way, in its order', async () => {
    const store = new Store();
    const all = [1, 2].map((item) => store.gathering.add(item));
    expect(store.writes).toEqual([]);
    await turn();
    expect(store.writes).toEqual([[1, 2]]);
    all.push(...[3, 4].map((item) => store.gathering.add(item)));
    await turn();
    expect(store.writes).toHaveLength(1);
    await store.end();
    expect(store.writes).toEqual([
      [1, 2],
      [3, 4],
    ]);
    await store.end();
    await Promise.all(all);
    void store.gathering.add(5);
    await turn();
    expect(store.writes.at(-1)).toEqual([5]);
  });

  it('takes along what those add who were just answered', async () => {
    const store = new Store();
    const first = store.gathering.add(1).then(() => store.gathering.add(2));
    await turn();
    const other = store.gathering.add(3);
    await store.end();
    expect(store.writes).toEqual([[1], [3, 2]]);
    await store.end();
    await Promise.all([first, other]);
  });

  it('answers nobody before the write', async () => {
    const store = new Store();
    const done: number[] = [];
    const add = (item: number): void => void store.gathering.add(item).then(() => done.push(item));
    add(1);
    await turn();
    add(2);
    expect(done).toEqual([]);
    await store.end();
    expect(done).toEqual([1]);
    await store.end();
    expect(done).toEqual([1, 2]);
  });

  it('fails with a write everybody in it and everybody behind it, and goes on', async () => {
    const store = new Store();
    const begun = store.gathering.add(1);
    await turn();
    const lost = Promise.allSettled([begun, ...[2, 3].map((item) => store.gathering.add(item))]);
    await store.end(new Error('away'));
    expect((await lost).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(store.writes).toEqual([[1]]);
    const next = store.gathering.add(4);
    await turn();
    await store.end();
    await next;
    expect(store.writes).toEqual([[1], [4]]);
  });

  it('writes a hundred at most together', async () => {
    const store = new Store();
    const all = Promise.all(Array.from({ length: 251 }, (_, item) => store.gathering.add(item)));
    await turn();
    for (let write = 0; write < 3; write++) await store.end();
    await all;
    expect(store.writes.map(({ length }) => length)).toEqual([100, 100, 51]);
  });
});
