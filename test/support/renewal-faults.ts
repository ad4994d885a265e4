import type { FailureRule } from '../emulators/failures.js';
import type { CrashPoint } from '../../src/kernel/index.js';

/**
 * What becomes of a renewal when something breaks in the middle of it: the table that test/e2e/renewal-faults.e2e.test.ts plays cell by cell, the figure F3 plays a hundred times, and
 * docs/renewal-faults.md is made of.
 */

/** Where in a renewal something breaks, in the order of a renewal. */
export const steps = ['opened', 'calling', 'asked', 'acted', 'answered', 'stored'] as const;
export type Step = (typeof steps)[number];

/** What breaks. */
export const faults = ['killed', 'stopped', 'postgres', 'redis', 'upstream'] as const;
export type Fault = (typeof faults)[number];

interface StepFacts {
  title: string;
  /** How the worker is brought to stand there: by a named place in the code, or by a provider that holds the call. */
  at: { point: CrashPoint } | { mode: FailureRule['mode'] };
}

export const stepFacts: Record<Step, StepFacts> = {
  opened: { title: 'the renewal is written down, nobody has called', at: { point: 'renewal.opened' } },
  calling: {
    title: 'it is written that the provider is called now; it was not yet',
    at: { point: 'renewal.calling' },
  },
  asked: {
    title: 'the provider has the request and has not acted on it',
    at: { mode: 'hold-before' },
  },
  acted: {
    title: 'the provider has acted, its answer is not there yet',
    at: { mode: 'hold-after' },
  },
  answered: { title: 'the answer is in memory and not stored', at: { point: 'renewal.answered' } },
  stored: { title: 'the answer is stored, nobody who waits knows', at: { point: 'renewal.stored' } },
};

export const faultFacts: Record<Fault, { title: string; what: string }> = {
  killed: { title: '`kill -9`', what: 'The worker is killed there.' },
  stopped: {
    title: 'SIGSTOP',
    what: 'The worker is stopped there for longer than it takes others to give it up, and then goes on.',
  },
  postgres: {
    title: 'Postgres',
    what: 'Every connection to Postgres is cut, of all processes, and none is taken for two seconds.',
  },
  redis: {
    title: 'Redis',
    what: 'Redis is killed, loses all it had on disk, and is started again empty after a second.',
  },
  upstream: {
    title: 'provider',
    what: 'Every connection to the provider is cut, and none is taken for a second and a half.',
  },
};

/** `goes on`: the login serves, with what the provider honors. `reconnect`: nobody can know whether its refresh token is spent, so it is not used again; people are told, and the next credential serves. */
export type Ending = 'goes on' | 'reconnect';

export interface Cell {
  ending: Ending;
  /** What who waits is given first: the renewed token, or meanwhile the next credential of the order. */
  waiterGets: 'token' | 'fallback';
  /** How often the provider renews: never more than once. */
  exchanges: 0 | 1;
  /** How often it answers a spent refresh token again, where it says that it does. */
  replays?: 1;
  /** For the page. */
  how: string;
}

/** From the fault, or from its end where it is one that ends: until who waits has an answer, and until people can know. */
export const BOUND_SECONDS = 30;
/** No single request for a lease takes longer; then it is told to ask again (503 with Retry-After). */
export const ASK_SECONDS = 25;

const goesOn = (how: string): Cell => ({ ending: 'goes on', waiterGets: 'token', exchanges: 1, how });
const returns = (how: string): Cell => ({ ...goesOn(how), waiterGets: 'fallback' });
const reconnect = (exchanges: 0 | 1, how: string): Cell => ({
  ending: 'reconnect',
  waiterGets: 'fallback',
  exchanges,
  how,
});

const untouched = 'nothing of it is needed any more';
const kept = 'the answer is stored when Postgres is back';
const looked = 'who waits looks at the rows, and asks for a job again';
const unknowable = 'whether it was carried out nobody can know';
const late = 'given up; counts after all when it goes on';

export const cells: Record<Fault, Record<Step, Cell>> = {
  killed: {
    opened: goesOn('nobody called: another renews it'),
    calling: reconnect(0, unknowable),
    asked: reconnect(0, unknowable),
    acted: reconnect(1, unknowable),
    answered: reconnect(1, unknowable),
    stored: goesOn('the row has it'),
  },
  stopped: {
    opened: goesOn('nobody called: another renews it, and the stopped one does not call'),
    calling: returns(late),
    asked: returns(late),
    acted: returns(late),
    answered: returns(late),
    stored: goesOn('the row has it'),
  },
  postgres: {
    opened: goesOn('nobody calls; tried again when Postgres is back'),
    calling: goesOn(kept),
    asked: goesOn(kept),
    acted: goesOn(kept),
    answered: goesOn(kept),
    stored: goesOn('the row has it'),
  },
  redis: {
    opened: goesOn(looked),
    calling: goesOn(looked),
    asked: goesOn(looked),
    acted: goesOn(looked),
    answered: goesOn(looked),
    stored: goesOn(looked),
  },
  upstream: {
    opened: goesOn('surely not sent: tried again'),
    calling: goesOn('surely not sent: tried again'),
    asked: reconnect(0, unknowable),
    acted: reconnect(1, unknowable),
    answered: goesOn(untouched),
    stored: goesOn(untouched),
  },
};

/** Of a provider that answers a spent refresh token again for a while: what is unknown is asked once more. The other cells are as above. */
export const cellsInGrace: Record<'killed' | 'stopped', Partial<Record<Step, Cell>>> = {
  killed: {
    calling: goesOn('asked once more'),
    asked: goesOn('asked once more'),
    acted: { ...goesOn('asked once more, and answered again'), replays: 1 },
    answered: { ...goesOn('asked once more, and answered again'), replays: 1 },
  },
  stopped: {
    calling: goesOn('another asks, and the stopped one does not call any more'),
    asked: { ...goesOn('another asks; its own call is answered again'), replays: 1 },
    acted: { ...goesOn('another asks, and is answered again'), replays: 1 },
    answered: { ...goesOn('another asks, and is answered again'), replays: 1 },
  },
};
