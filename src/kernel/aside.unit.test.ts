import { Aside } from './aside.js';

describe('what goes on aside', () => {
  it('is waited for at the end alone, with what it began itself', async () => {
    const aside = new Aside();
    const done: string[] = [];
    let end = (): void => undefined;
    aside.begin(async () => {
      await new Promise<void>((resolve) => (end = resolve));
      done.push('first');
      aside.begin(() => Promise.resolve(void done.push('second')));
    });
    const over = aside.over().then(() => done.push('over'));
    await Promise.resolve();
    expect(done).toEqual([]);
    end();
    await over;
    expect(done).toEqual(['first', 'second', 'over']);
  });
});
