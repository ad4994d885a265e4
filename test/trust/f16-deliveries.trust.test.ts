import { randomUUID } from 'node:crypto';
import { asksStore } from '../../src/triggers/asks/asks.store.js';
import { conversationsStore } from '../../src/triggers/conversations/conversations.store.js';
import { deliver, fromLinear, type SignedDelivery } from '../support/webhooks.js';
import { Seeded } from '../support/seeded.js';
import { figure, Findings } from './figure.js';
import {
  askInSession,
  LINEAR_ID,
  SECRET,
  startWebhooks,
  type WebhookGround,
} from './support/webhook-ground.js';

const SEED = 20_261_127;
const TIMES = 100;
/** Each session has a start and so many further words. */
const WORDS = 2;

figure(
  {
    id: 'F16',
    scenario: `sessions at Linear, each a start and ${WORDS} further words; each delivery ${TIMES} times at once to two replicas, and each under two delivery ids, in an order chosen by a seed (a word before its start); each job four times at once, on both`,
    line: 'each session one workspace, each meaning one message and one reply that it was seen; nothing else, and nothing is left waiting',
    rounds: { small: 1, full: 50 },
    countedAt: 'rows of workspaces, messages, replies and deliveries',
    time: 'real',
  },
  (findings) => play(findings, TIMES),
);

async function play(findings: Findings, times: number): Promise<void> {
  const ground = await startWebhooks((delivery, ann) => askInSession(delivery, ann), { replicas: 2 });
  try {
    const seeded = new Seeded(SEED);
    for (let round = 0; round < findings.rounds; round++) await one(ground, seeded, times, findings);
    findings.number('deliveries sent', findings.rounds * (2 * WORDS + 1) * times + findings.rounds);
    const left = await ground.sql(`SELECT 1 FROM delivery WHERE state <> 'processed'`);
    findings.expect(left.length === 0, `${left.length} deliveries are left`);
  } finally {
    await ground.close();
  }
}

async function one(ground: WebhookGround, seeded: Seeded, times: number, findings: Findings): Promise<void> {
  const session = randomUUID();
  const base = { type: 'AgentSessionEvent', organizationId: LINEAR_ID, agentSession: { id: session } };
  const start = { ...base, action: 'created' };
  const words = Array.from({ length: WORDS }, (_, at) => ({
    ...base,
    action: 'prompted',
    agentActivity: { id: `${session}/${at}`, text: `word ${at}` },
  }));
  const order = [start, ...words].sort(() => seeded.below(3) - 1);
  const send = (delivery: SignedDelivery, at: number): Promise<unknown> =>
    deliver(ground.replicas[at % ground.replicas.length]?.url ?? '', delivery);
  const [first, ...others] = order.map((payload) => [
    fromLinear(SECRET, payload),
    fromLinear(SECRET, payload),
  ]);
  for (const several of [first?.slice(0, 1) ?? [], others.flat()]) {
    const all = several.flatMap((delivery) => Array.from({ length: times }, (_, at) => send(delivery, at)));
    await Promise.all(all);
    await ground.handleAll(4);
  }
  for (const delivery of first?.slice(1) ?? []) await send(delivery, seeded.below(2));
  await ground.handleAll(4);
  await judge(ground, session, findings);
}

async function judge({ sql }: WebhookGround, session: string, findings: Findings): Promise<void> {
  const key = `session/${session}`;
  const workspaces = await sql(`SELECT id FROM workspace WHERE origin->>'url' LIKE '%' || $1`, [session]);
  findings.expect(workspaces.length === 1, `${key} has ${workspaces.length} workspaces`);
  const messages = await sql(
    `SELECT text, count(*)::int AS n FROM message WHERE workspace_id = any ($1) GROUP BY text`,
    [workspaces.map(({ id }) => id)],
  );
  findings.expect(messages.length === WORDS + 1, `${key} has ${messages.length} of ${WORDS + 1} messages`);
  for (const { text, n } of messages)
    findings.expect(n === 1, `${key} has the message ${String(text)} ${String(n)} times`);
  const [seen] = await sql(
    `SELECT count(*)::int AS n FROM reply JOIN conversation c ON c.id = conversation_id WHERE c.key = $1 AND reply.key LIKE 'seen/%'`,
    [key],
  );
  findings.expect(seen?.n === WORDS + 1, `${key} was seen ${String(seen?.n)} times`);
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
      /times/,
    ],
    [
      'two in one conversation were decided on at once',
      () => Object.assign(conversationsStore, { hold: () => Promise.resolve() }),
      /workspaces|messages|times/,
    ],
  ])(
    '%s',
    async (_, breakIt, seen) => {
      breakIt();
      const findings = new Findings(1);
      await play(findings, 2);
      expect(findings.breaches.join('\n')).toMatch(seen);
    },
    240_000,
  );
});
