import { RefusedError, UnreachableError } from './failure.js';
import { again, type Failed } from './retry.js';

const refused = (
  status: number,
  retryAfterSeconds: number | null = null,
  problemCode: string | null = null,
) =>
  new RefusedError({ status, problemCode, message: 'No.', details: [], retryAfterSeconds, requestId: null });
const broken = (code: string) => new UnreachableError('no', { cause: Object.assign(new Error(), { code }) });

const decide = (error: unknown, more: Partial<Failed> = {}): number | null =>
  again({ error, attempt: 1, repeatable: true, waitedMilliseconds: 0, ...more })?.pauseMilliseconds ?? null;

it.each([
  ['a cut connection', broken('ECONNRESET'), 300],
  ['a Berth that was never there', broken('ECONNREFUSED'), null],
  ['a gateway without a Berth', refused(502), 300],
  ['a gateway that waited in vain', refused(504), 300],
  ['a Berth that is not ready', refused(503), 300],
  ['a Berth that says when it is ready', refused(503, 2), 2000],
  ['a first try that is still at work', refused(409, 1, 'idempotency-key-in-use'), 1000],
  ['another conflict', refused(409, null, 'slug-taken'), null],
  ['too many requests', refused(429, 7), 7000],
  ['a limit that time does not lift', refused(429), null],
  ['a wait for the person, not for us', refused(429, 61), null],
  ['a refusal', refused(422), null],
  ['a failure of Berth, which its key would bring again', refused(500), null],
])('decides about %s', (_what, error, pause) => expect(decide(error)).toBe(pause));

it('takes a Berth that went away for one that starts again', () => {
  expect(decide(broken('ECONNREFUSED'), { attempt: 2 })).toBe(600);
});

it('pauses longer each time, up to five seconds, and gives up', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 7].map((attempt) => decide(broken('ECONNRESET'), { attempt }));
  expect(pauses).toEqual([300, 600, 1200, 2400, 4800, 5000, null]);
});

it('waits no longer than a minute in all', () => {
  expect(decide(refused(429, 20), { waitedMilliseconds: 40_000 })).toBe(20_000);
  expect(decide(refused(429, 20), { waitedMilliseconds: 41_000 })).toBeNull();
});

it.each([
  ['a cut connection', broken('ECONNRESET'), null],
  ['a gateway', refused(502), null],
  ['a 503 without a time', refused(503), null],
  ['a Berth that did nothing', refused(503, 2), 2000],
  ['too many requests', refused(429, 2), 2000],
])('repeats what has no second answer only when nothing was done: %s', (_what, error, pause) =>
  expect(decide(error, { repeatable: false })).toBe(pause),
);
