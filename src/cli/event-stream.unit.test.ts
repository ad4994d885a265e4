import { FakeClock } from '../kernel/index.js';
import { followEvents } from './event-stream.js';
import { RefusedError, UnreachableError } from './failure.js';
import type { WorkspaceEvent } from './wire.js';

const eventOf = (seq: number): WorkspaceEvent => ({ seq, at: '2026-01-01T00:00:00Z', type: 't', data: {} });
const bytes = (text: string) => new TextEncoder().encode(text);
const frames = (...numbers: number[]): string =>
  numbers.map((seq) => `id: ${seq}\ndata: ${JSON.stringify(eventOf(seq))}\n\n`).join('');

/** One connection: its text in the given pieces, then a clean end or an error. */
function connection(text: string, end?: Error, pieceLength = text.length || 1): Response {
  const pieces = bytes(text);
  let from = 0;
  return new Response(
    new ReadableStream<Uint8Array>({
      pull(controller) {
        if (from < pieces.length) controller.enqueue(pieces.slice(from, (from += pieceLength)));
        else if (end) controller.error(end);
        else controller.close();
      },
    }),
  );
}

/** Follows through a script of connections until it ends or `count` events came. */
async function follow(script: (Response | Error)[], count: number, after = 0) {
  const clock = new FakeClock();
  const asked: number[] = [];
  const notices: string[] = [];
  const pauses: number[] = [];
  const seen: number[] = [];
  const events = followEvents({
    open: (last) => {
      asked.push(last);
      const next = script.shift() ?? new UnreachableError('nothing there');
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    after,
    sleep: (milliseconds) => {
      pauses.push(milliseconds);
      clock.advance(milliseconds);
      return Promise.resolve();
    },
    clock,
    signal: new AbortController().signal,
    notice: (text) => notices.push(text),
  });
  let failure: unknown = null;
  try {
    for await (const { seq } of events) if (seen.push(seq) === count) break;
  } catch (error) {
    failure = error;
  }
  return { asked, notices, pauses, seen, failure };
}

it('goes on after the last event seen, without gap or repeat', async () => {
  const cut = new TypeError('terminated');
  // The second connection repeats event 2, as a server that resumes carelessly would.
  const run = await follow(
    [connection(frames(1, 2), cut), connection(frames(2, 3)), connection(frames(4))],
    4,
  );
  expect(run).toMatchObject({ seen: [1, 2, 3, 4], asked: [0, 2, 3], failure: null });
});

it('reads events whatever way the bytes are cut', async () => {
  const text = `: ü\n\n${frames(1, 2).replaceAll('"t"', '"tü"')}`;
  for (const length of [1, 3, 7])
    expect((await follow([connection(text, undefined, length)], 2)).seen).toEqual([1, 2]);
});

it('does not deliver an event whose end was cut off', async () => {
  const whole = frames(2);
  const run = await follow([connection(frames(1) + whole.slice(0, -1)), connection(whole)], 2);
  expect(run).toMatchObject({ seen: [1, 2], asked: [0, 1] });
});

it('asks again when numbers jump, and says so when the events are really gone', async () => {
  const run = await follow([connection(frames(1, 4)), connection(frames(4, 5))], 3);
  expect(run).toMatchObject({
    seen: [1, 4, 5],
    asked: [0, 1],
    notices: ['Events 2 to 3 are missing on the server.'],
  });
  const healed = await follow([connection(frames(1, 4)), connection(frames(2, 3, 4))], 4);
  expect(healed).toMatchObject({ seen: [1, 2, 3, 4], notices: [] });
});

it('waits longer each time, and as short as the server says', async () => {
  const empty = () => connection('');
  const run = await follow(
    [empty(), empty(), empty(), connection(`retry: 150\n\n${frames(1)}`), connection(frames(2))],
    2,
  );
  expect(run.pauses).toEqual([500, 1000, 2000, 500]);
  expect((await follow([connection('retry: 150\n\n'), connection(frames(1))], 1)).pauses).toEqual([150]);
  expect((await follow([connection('retry: 0\n\n'), connection(frames(1))], 1)).pauses).toEqual([100]);
});

const refused = (status: number, problemCode: string, retryAfterSeconds: number | null): RefusedError =>
  new RefusedError({ status, problemCode, message: 'No.', details: [], retryAfterSeconds, requestId: null });

it('waits as long as a busy server asks', async () => {
  const busy = refused(503, 'not-ready', 30);
  expect(await follow([connection(frames(1)), busy, connection(frames(2))], 2)).toMatchObject({
    seen: [1, 2],
    pauses: [500, 30_000],
  });
});

it('fails at once when the first connection fails', async () => {
  const run = await follow([new UnreachableError('no')], 1);
  expect(run).toMatchObject({ asked: [0], pauses: [], failure: { exitCode: 6 } });
});

it('gives up when Berth was away for five minutes', async () => {
  const run = await follow([connection(frames(1))], 2);
  const waited = run.pauses.reduce((sum, pause) => sum + pause, 0);
  expect(run.failure).toMatchObject({ exitCode: 6 });
  expect(waited).toBeGreaterThan(300_000);
  expect(waited).toBeLessThan(330_000);
});

it('stops when the workspace is gone', async () => {
  const gone = refused(404, 'not-found', null);
  expect(await follow([connection(frames(1)), gone], 2)).toMatchObject({ asked: [0, 1], failure: gone });
});

it('fails on what is no event', async () => {
  expect((await follow([connection('data: {"seq": 1}\n\n')], 1)).failure).toMatchObject({ exitCode: 1 });
  expect((await follow([connection('data: {\n\n')], 1)).failure).toMatchObject({ exitCode: 1 });
});
