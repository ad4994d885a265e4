import type { ReportAnswer, RunnerItem } from '../contracts/runner.js';
import { silentLog } from '../kernel/log.js';
import { Backoff } from './backoff.js';
import { RunnerDismissed, ControlPlaneUnavailable } from './control-plane-errors.js';
import { Outbox } from './outbox.js';
import { FakeTimer } from './timer.js';
import type { Fact } from './wire.js';

const ref = {
  turnId: '00000000-0000-7000-8000-000000000001',
  attemptId: '00000000-0000-7000-8000-000000000002',
};
const said = (text: string): Fact => ({ type: 'agent.text', ...ref, text });

describe('Outbox', () => {
  let timer: FakeTimer;
  let batches: RunnerItem[][];
  /** What the control plane does next; by default it takes everything. */
  let answers: (((items: readonly RunnerItem[]) => ReportAnswer) | Error)[];
  let dismissed: number;
  let outbox: Outbox;

  beforeEach(() => {
    timer = new FakeTimer();
    batches = [];
    answers = [];
    dismissed = 0;
    outbox = new Outbox({
      timer,
      log: silentLog,
      backoff: new Backoff(() => 0),
      onDismissed: () => (dismissed += 1),
      send: (items) => {
        batches.push([...items]);
        const answer =
          answers.shift() ?? ((all) => ({ acknowledged: all.at(-1)?.n ?? 0, retryAfterSeconds: 0 }));
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer(items));
      },
    });
  });

  /** Lets everything that waits for nothing but its turn happen. */
  const settle = async () => {
    for (let round = 0; round < 50; round += 1) await Promise.resolve();
  };
  const numbers = (batch: RunnerItem[] | undefined) => batch?.map((item) => item.n);

  it('numbers from one and sends together what was added together', async () => {
    outbox.add(said('a'));
    outbox.add(said('b'));
    await outbox.drained();
    outbox.add(said('c'));
    await outbox.drained();

    expect(batches.map(numbers)).toEqual([[1, 2], [3]]);
  });

  it('sends the same again after a failure, later and later, before anything newer', async () => {
    answers = [new ControlPlaneUnavailable('away'), new ControlPlaneUnavailable('away')];
    outbox.add(said('a'));
    await settle();
    outbox.add(said('b'));
    timer.advance(125);
    await settle();
    timer.advance(249);
    await settle();
    expect(batches.map(numbers)).toEqual([[1], [1, 2]]);
    timer.advance(1);
    await outbox.drained();
    expect(batches.map(numbers)).toEqual([[1], [1, 2], [1, 2]]);
  });

  it('keeps what was not acknowledged for as long as it is told, with its age grown', async () => {
    answers = [() => ({ acknowledged: 1, retryAfterSeconds: 2 })];
    timer.advance(5000);
    outbox.add(said('a'));
    const outcome = { result: 'completed' } as const;
    outbox.add({ type: 'turn.finished', ...ref, outcome, ageSeconds: 0 }, timer.now() - 1000);
    await settle();
    timer.advance(2000);
    await outbox.drained();

    expect(batches.map(numbers)).toEqual([[1, 2], [2]]);
    expect(batches.map((batch) => batch.at(-1))).toMatchObject([{ ageSeconds: 1 }, { ageSeconds: 3 }]);
  });

  it('splits at 200 items and at 256 KiB', async () => {
    for (let n = 0; n < 201; n += 1) outbox.add(said('x'));
    for (let n = 0; n < 3; n += 1) outbox.add(said('y'.repeat(100 * 1024)));
    await outbox.drained();

    expect(batches.map((batch) => batch.length)).toEqual([200, 3, 1]);
    expect(batches.every((batch) => JSON.stringify(batch).length <= 256 * 1024)).toBe(true);
  });

  it('ends for good when the runner is dismissed', async () => {
    answers = [new RunnerDismissed('401')];
    outbox.add(said('a'));
    await outbox.drained();
    outbox.add(said('b'));
    await settle();

    expect(dismissed).toBe(1);
    expect(batches).toHaveLength(1);
  });

  it('waits so long at the end and no longer', async () => {
    answers = Array.from({ length: 100 }, () => new ControlPlaneUnavailable('away'));
    outbox.add(said('a'));
    await settle();
    let closed = false;
    const closing = outbox.close(3000).then(() => (closed = true));
    timer.advance(2999);
    await settle();
    expect(closed).toBe(false);
    timer.advance(1);
    await closing;
    const sent = batches.length;
    timer.advance(60_000);
    await settle();
    expect(batches).toHaveLength(sent);
  });
});
