import { Turnstile } from './turnstile.js';

/** What has happened of many promises by the next turn of the loop. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a turnstile', () => {
  it('lets so many of a key in, and each who leaves lets in the one who waits longest', async () => {
    const turnstile = new Turnstile(2);
    const entered: string[] = [];
    const come = (name: string, key = 'acme') =>
      turnstile.enter(key).then((leave) => {
        entered.push(name);
        return leave;
      });
    const [first, , third] = [come('first'), come('second'), come('third'), come('fourth')];
    await settled();
    expect(entered).toEqual(['first', 'second']);
    await come('another', 'other');
    (await first)();
    await settled();
    expect(entered).toEqual(['first', 'second', 'another', 'third']);
    (await third)();
    await settled();
    expect(entered).toEqual(['first', 'second', 'another', 'third', 'fourth']);
  });

  it('never has more inside than places, whoever comes and goes, and lets everybody in at last', async () => {
    const turnstile = new Turnstile(3);
    let [inside, most, through] = [0, 0, 0];
    const visit = async (): Promise<void> => {
      const leave = await turnstile.enter('acme');
      most = Math.max(most, ++inside);
      await settled();
      inside -= 1;
      through += 1;
      leave();
    };
    await Promise.all(Array.from({ length: 200 }, visit));
    expect([most, through]).toEqual([3, 200]);
  });
});
