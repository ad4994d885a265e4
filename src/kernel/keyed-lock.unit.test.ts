import { KeyedLock } from './keyed-lock.js';

/** Work whose end the test decides. */
function work(): { run: () => Promise<string>; end: () => void; begun: () => boolean } {
  let begun = false;
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  return {
    run: async () => {
      begun = true;
      await over;
      return 'done';
    },
    end: () => end(),
    begun: () => begun,
  };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('KeyedLock', () => {
  it('runs one after the other for one key, side by side for others', async () => {
    const lock = new KeyedLock();
    const [first, second, other] = [work(), work(), work()];
    const results = [lock.run('a', first.run), lock.run('a', second.run), lock.run('b', other.run)];
    await turn();
    expect([first.begun(), second.begun(), other.begun()]).toEqual([true, false, true]);
    first.end();
    await turn();
    expect(second.begun()).toBe(true);
    second.end();
    other.end();
    expect(await Promise.all(results)).toEqual(['done', 'done', 'done']);
  });

  it('goes on after a failure and forgets keys nobody uses', async () => {
    const lock = new KeyedLock();
    await expect(lock.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const next = work();
    const result = lock.run('a', next.run);
    expect(lock.keys()).toEqual(['a']);
    next.end();
    expect(await result).toBe('done');
    await turn();
    expect(lock.keys()).toEqual([]);
  });
});
