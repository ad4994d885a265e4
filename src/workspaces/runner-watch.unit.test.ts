import { FakeClock } from '../kernel/index.js';
import { RunnerWatch } from './runner-watch.js';

/** Silent after 100 s; found to hang after 50 s of suspicion. */
function watched() {
  const clock = new FakeClock();
  const watch = new RunnerWatch(100);
  const state = { heardAt: clock.now(), reached: true };
  return {
    state,
    heard: () => (state.heardAt = clock.now()),
    after: (seconds: number) => {
      clock.advance(seconds * 1000);
      return watch.hangs('w', {
        heardAt: state.heardAt,
        now: clock.now(),
        canReachBerth: () => Promise.resolve(state.reached),
      });
    },
  };
}

describe('a runner that lives', () => {
  it('hangs when it stays silent after it was suspected', async () => {
    const { after } = watched();
    expect([await after(99), await after(1), await after(49), await after(1)]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it('does not hang when it is heard again', async () => {
    const { after, heard } = watched();
    expect(await after(100)).toBe(false);
    heard();
    expect(await after(60)).toBe(false);
    // Silent again: suspected anew, from then on.
    expect([await after(60), await after(40), await after(10)]).toEqual([false, false, true]);
  });

  it('does not hang when it could not have been heard', async () => {
    const { after, state } = watched();
    state.reached = false;
    expect([await after(200), await after(200)]).toEqual([false, false]);
    state.reached = true;
    // Berth is back: the runner gets its time to call.
    expect([await after(1), await after(49), await after(1)]).toEqual([false, false, true]);
  });

  it('is not found to hang at the first look of a Berth that was away for long', async () => {
    const { after, heard } = watched();
    expect(await after(10_000)).toBe(false);
    heard();
    expect(await after(10)).toBe(false);
  });
});
