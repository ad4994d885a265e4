import { insertRow } from '../../../test/support/conversations.js';
import { startTestApp, type TestApp } from '../../../test/support/app.js';
import { withClient } from '../../../test/support/tables.js';
import { FakeClock } from '../../kernel/index.js';
import { Recoveries, type Look } from './recoveries.service.js';

const never = new AbortController().signal;

describe('what was missed is looked for', () => {
  const clock = new FakeClock();
  let app: TestApp;
  let recoveries: Recoveries;

  beforeAll(async () => {
    app = await startTestApp({ clock });
    recoveries = app.app.get(Recoveries);
  });
  afterAll(() => app.close());

  it('what was delivered is forgotten after seven days', async () => {
    const { id } = await app.founded('acme');
    const days = (count: number): Date => new Date(clock.now().getTime() - count * 86_400_000);
    const deliver = (name: string, received_at: Date): Promise<void> =>
      withClient(app.database.ownerUrl, (client) =>
        insertRow(client, 'delivery', {
          ...{ id: app.world.ids.next(), organization_id: id, system: 'github', delivery_id: name },
          ...{ event: 'ping', state: 'processed', body: '{}', received_at },
        }),
      );
    await deliver('old', days(8));
    await deliver('new', days(6));
    const kept = async (): Promise<string[]> => {
      const { rows } = await withClient(app.database.ownerUrl, (client) =>
        client.query<{ name: string }>('SELECT delivery_id AS name FROM delivery WHERE body IS NOT NULL'),
      );
      return rows.map(({ name }) => name);
    };
    clock.advance(1);
    await recoveries.run(never);
    expect(await kept()).toEqual(['new']);
    clock.advance(2 * 86_400_000);
    await recoveries.run(never);
    expect(await kept()).toEqual([]);
  });

  it('from where the last look came to, each place by one at a time, and none at the cost of another', async () => {
    const looks: [string, number | null][] = [];
    let finish: (isDone: boolean) => void = () => undefined;
    let held = new Promise<boolean>((resolve) => (finish = resolve));
    recoveries.by('linear', {
      places: () => Promise.resolve(['a', 'broken', 'b']),
      look: ({ place, since }: Look) => {
        looks.push([place, since?.getTime() ?? null]);
        if (place === 'broken') return Promise.reject(new Error('no'));
        return place === 'a' ? held : Promise.resolve(true);
      },
    });
    recoveries.by('github', {
      places: () => Promise.reject(new Error('no')),
      look: () => Promise.resolve(true),
    });
    const first = clock.now().getTime();
    const slow = recoveries.run(never);
    while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // Another process: the place that is looked at is left alone.
    await recoveries.run(never);
    expect(looks).toEqual([
      ['a', null],
      ['broken', null],
      ['b', null],
    ]);
    finish(false);
    await slow;
    clock.advance(60_000);
    held = Promise.resolve(true);
    await recoveries.run(never);
    // One that did not come to its end begins at the same time again, as one that failed.
    expect(looks.slice(-3)).toEqual([
      ['a', null],
      ['broken', null],
      ['b', first],
    ]);
    clock.advance(60_000);
    await recoveries.run(never);
    expect(looks.slice(-3)).toEqual([
      ['a', first + 60_000],
      ['broken', null],
      ['b', first + 60_000],
    ]);
  });
});
