import { toRedeliver, type Attempt } from './missed.js';

const now = new Date('2026-01-01T12:00:00.000Z');
const attempt = (id: number, guid: string, secondsAgo: number): Attempt => ({
  id,
  guid,
  delivered_at: new Date(now.getTime() - secondsAgo * 1000),
});
const none = new Set<string>();

describe('toRedeliver', () => {
  it('takes what did not come, the oldest first and each once', () => {
    const failed = [attempt(9, 'c', 60), attempt(5, 'a', 300), attempt(7, 'a', 100), attempt(6, 'b', 200)];
    expect(toRedeliver(failed, new Set(['b']), now)).toEqual([7, 9]);
  });

  it('leaves out what was tried again and again, and what may be on its way', () => {
    const often = [1, 2, 3, 4].map((id) => attempt(id, 'often', 500 - id));
    expect(toRedeliver([...often, attempt(5, 'young', 10)], none, now)).toEqual([]);
  });
});
