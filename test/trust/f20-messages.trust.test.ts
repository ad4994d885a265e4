import { AsyncLocalStorage } from 'node:async_hooks';
import { KeptAnswers, type Shelf } from '../../src/app/idempotency/kept-answers.js';
import type { KeyScope } from '../../src/app/idempotency/key.js';
import type { TestApp } from '../support/app.js';
import { figure, Findings } from './figure.js';
import { sendMany } from './support/many-messages.js';

figure(
  {
    id: 'F20 messages',
    scenario:
      'messages sent with their key to two replicas, 12 at once, until each is answered: cut at each byte of request and answer, doubled, and with a database that breaks off where an answer is kept',
    line: '0 messages lost and 0 there twice; all answers to one message are the same',
    rounds: { small: 60, full: 10_000 },
    countedAt: 'rows of messages and turns',
    time: 'real',
    fullMinutes: 60,
  },
  async (findings) => {
    await sendMany(findings.rounds, findings);
  },
);

/** Wraps what the interceptor is given, in this test alone. */
function breakAnswers(berth: TestApp, change: (shelf: Shelf, outside: Shelf['part']) => Shelf): void {
  const answers = berth.app.get(KeptAnswers);
  const within = answers.within.bind(answers);
  answers.within = <T>(scope: KeyScope, id: string, work: (shelf: Shelf) => Promise<T>): Promise<T> => {
    const outside = AsyncLocalStorage.snapshot();
    return within(scope, id, (shelf) => work(change(shelf, (part) => outside(part))));
  };
}

describe('it would be noticed if', () => {
  it.each<[string, (shelf: Shelf, outside: Shelf['part']) => Shelf, RegExp]>([
    [
      'an answer were kept after the commit of its effect',
      (shelf, outside) => ({ ...shelf, part: outside }),
      /more than once/,
    ],
    ['nothing were locked', (shelf) => ({ ...shelf, lock: () => Promise.resolve(true) }), /500/],
    ['no answer were found again', (shelf) => ({ ...shelf, find: () => Promise.resolve(null) }), /500/],
    ['no answer were kept', (shelf) => ({ ...shelf, keep: () => Promise.resolve() }), /more than once/],
  ])(
    '%s',
    async (_, change, seen) => {
      const findings = new Findings(32);
      await sendMany(findings.rounds, findings, (berth) => breakAnswers(berth, change));
      expect(findings.breaches.join('\n')).toMatch(seen);
      // How fast it is, is no part of it: a busy machine must not fail it.
    },
    240_000,
  );
});
