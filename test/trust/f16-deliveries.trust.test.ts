import { randomUUID } from 'node:crypto';
import { asksStore } from '../../src/triggers/asks/asks.store.js';
import { conversationsStore } from '../../src/triggers/conversations/conversations.store.js';
import { Seeded } from '../support/seeded.js';
import { deliver, type SignedDelivery } from '../support/webhooks.js';
import { figure, Findings } from './figure.js';
import { Receiving, type Tracked } from './support/receiving.js';
import { scenes, type News, type Scene } from './support/scenes.js';

const SEED = 20_261_127;
const TIMES = 100;
/** So many rounds come to one organization: what GitHub lets an installation write in a minute is a line of its own. */
const ROUNDS_EACH = 4;

figure(
  {
    id: 'F16',
    scenario: `at Linear a session with further words, and an issue that is taken away again, which is told before that it was given; at GitHub comments, one of them by an edit, and a review with comments on lines. Each delivery ${TIMES} times at once to two replicas and at the same time under another delivery id, in an order chosen by a seed, and all once more at the end; each job four times at once, on both`,
    line: 'each conversation one workspace, each request one message, one sign that it was seen, and the work one comment; what was taken away is not worked on, and stands as its people left it; nothing else, and nothing is left waiting',
    rounds: { small: scenes.length, full: 400 },
    countedAt:
      'comments, activities, reactions, checks and issues at the emulated trackers; rows of workspaces, messages and deliveries',
    time: 'real',
  },
  (findings) => play(findings, TIMES),
);

/** Each scene is one try; a round is one of each. */
async function play(findings: Findings, times: number): Promise<void> {
  const receiving = await Receiving.start();
  try {
    const seeded = new Seeded(SEED);
    let sent = 0;
    let tracked: Tracked | null = null;
    const rounds = Math.ceil(findings.rounds / scenes.length);
    for (let round = 0; round < rounds; round++) {
      if (!tracked || round % ROUNDS_EACH === 0) tracked = await receiving.track();
      const played: Scene[] = [];
      for (const make of scenes) played.push(await make(receiving, tracked));
      sent += await tell(receiving, played, seeded, times);
      for (const scene of played) await scene.check(findings);
    }
    findings.number('deliveries sent', sent);
    const left = await receiving.sql(
      `SELECT count(*)::int AS n, state, outcome FROM delivery WHERE state <> 'processed' GROUP BY 2, 3`,
    );
    for (const { n, state, outcome } of left)
      findings.breach(`${String(n)} deliveries are ${String(state)}: ${String(outcome)}`);
  } finally {
    await receiving.close();
  }
}

/** Tells of all of it: one thing of each scene first, then the rest, then everything once more. */
async function tell(
  receiving: Receiving,
  played: readonly Scene[],
  seeded: Seeded,
  times: number,
): Promise<number> {
  const orders = played.map(({ news, isReversed }) =>
    isReversed ? news.toReversed() : shuffled(news, seeded),
  );
  const parts = [orders.flatMap(([first]) => first ?? []), orders.flatMap(([, ...others]) => others)];
  let sent = 0;
  for (const part of parts) {
    sent += await send(receiving, part, times);
    await receiving.settle(2);
  }
  sent += await send(receiving, orders.flat(), 1);
  await receiving.settle(2);
  return sent;
}

/** Each so many times at once under its own id, and once under another. */
async function send(receiving: Receiving, news: readonly News[], times: number): Promise<number> {
  const all = news.flatMap((one): SignedDelivery[] => {
    const same = one();
    return [...Array.from({ length: times }, () => same), one(randomUUID())];
  });
  const answers = await Promise.all(all.map((delivery, at) => deliver(receiving.url(at), delivery)));
  const wrong = answers.find(({ status }) => status !== 200);
  if (wrong) throw new Error(`A delivery was answered with ${wrong.status}: ${wrong.text}`);
  return all.length;
}

function shuffled<T>(things: readonly T[], seeded: Seeded): T[] {
  const left = [...things];
  return things.map(() => left.splice(seeded.below(left.length), 1)[0] as T);
}

describe('it would be noticed if', () => {
  const whole = { asks: { ...asksStore }, conversations: { ...conversationsStore } };
  afterEach(() => {
    Object.assign(asksStore, whole.asks);
    Object.assign(conversationsStore, whole.conversations);
  });

  it.each<[string, () => void, RegExp]>([
    [
      'nobody looked whether the meaning is known',
      () => Object.assign(asksStore, { find: () => Promise.resolve(null) }),
      /messages/,
    ],
    [
      'two in one conversation were decided on at once',
      () => Object.assign(conversationsStore, { hold: () => Promise.resolve() }),
      /workspaces|messages/,
    ],
  ])(
    '%s',
    async (_, breakIt, seen) => {
      breakIt();
      const findings = new Findings(scenes.length);
      await play(findings, 2);
      expect(findings.breaches.join('\n')).toMatch(seen);
    },
    240_000,
  );
});
