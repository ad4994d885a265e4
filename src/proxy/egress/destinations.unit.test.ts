import { setImmediate } from 'node:timers/promises';
import { PUBLIC, SmallInternet } from '../testing/small-internet.js';
import { Destinations } from './destinations.js';

/** Names whose servers do not answer before the test lets them. */
class SlowInternet extends SmallInternet {
  readonly answers: (() => void)[] = [];

  override lookup = async (host: string) => {
    this.lookups.push(host);
    await new Promise<void>((resolve) => this.answers.push(resolve));
    return [{ address: PUBLIC, family: 4 }];
  };
}

describe('names that agents chose', () => {
  it('are looked up two at a time, and one of each who asks', async () => {
    const internet = new SlowInternet();
    const destinations = new Destinations(internet, []);
    const asked = [
      destinations.of('a.example', 'one'),
      destinations.of('b.example', 'one'),
      destinations.of('c.example', 'two'),
      destinations.of('d.example', 'three'),
    ];
    await setImmediate();
    expect(internet.lookups).toEqual(['a.example', 'c.example']);
    internet.answers[0]?.();
    await asked[0];
    await setImmediate();
    expect(internet.lookups.slice(2)).toEqual(['d.example']);
    internet.answers[1]?.();
    await asked[2];
    await setImmediate();
    expect(internet.lookups.slice(3)).toEqual(['b.example']);
    for (const answer of internet.answers) answer();
    expect(await Promise.all(asked)).toHaveLength(4);
  });

  it('are not looked up for who has gone while they waited', async () => {
    const internet = new SlowInternet();
    const destinations = new Destinations(internet, []);
    const first = destinations.of('a.example', 'one');
    const gone = new AbortController();
    const second = destinations.of('b.example', 'one', gone.signal);
    await setImmediate();
    gone.abort();
    internet.answers[0]?.();
    await first;
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    expect(internet.lookups).toEqual(['a.example']);
  });
});
