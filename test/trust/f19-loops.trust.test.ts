import { randomUUID } from 'node:crypto';
import type { ExternalPerson } from '../../src/identity/index.js';
import { breaker } from '../../src/triggers/asks/breaker.js';
import { deliver, fromLinear } from '../support/webhooks.js';
import { figure, type Findings } from './figure.js';
import {
  askInSession,
  LINEAR_ID,
  SECRET,
  startWebhooks,
  type WebhookGround,
} from './support/webhook-ground.js';

/** Who writes back whenever Berth has said something, and how much more that may have done. */
const loops: { name: string; writes: 'app' | 'nobody' | 'person'; extra: number }[] = [
  { name: 'the agent itself', writes: 'app', extra: 0 },
  { name: 'another agent', writes: 'app', extra: 0 },
  { name: 'an automation', writes: 'nobody', extra: 0 },
  { name: 'what has a person’s account', writes: 'person', extra: breaker.inConversation - 1 },
];
const TURNS = 24;

figure(
  {
    id: 'F19',
    scenario: `in each conversation one person asks, and then ${TURNS} times somebody writes back at once: the agent's own words, another agent, an automation, and something that has a member's own account`,
    line: `an agent's words and an automation start nothing more; a loop through a person's account ends within ${breaker.inConversation} messages in ${breaker.windowSeconds / 60} minutes, is said once, seen in the conversation's state, the events and the delivery, and nothing is done after it`,
    rounds: { small: 1, full: 10 },
    countedAt: 'rows of messages, replies, events and deliveries',
    time: 'real',
  },
  async (findings) => {
    const who = new Map<string, ExternalPerson | null>();
    const ground = await startWebhooks((delivery, ann) => {
      const { asker } = delivery.body as { asker: string };
      const found = who.get(asker);
      return askInSession(delivery, found === undefined ? ann : found, { issueId: 'an-issue' });
    });
    who.set('app', { ...ground.ann, externalId: 'app-user', isApp: true });
    who.set('nobody', null);
    try {
      for (let round = 0; round < findings.rounds; round++)
        for (const loop of loops) await play(ground, loop, findings);
      findings.tried = findings.rounds * loops.length * TURNS;
    } finally {
      await ground.close();
    }
  },
);

async function play(
  ground: WebhookGround,
  { name, writes, extra }: (typeof loops)[number],
  findings: Findings,
): Promise<void> {
  const [berth] = ground.replicas;
  const session = randomUUID();
  const base = { type: 'AgentSessionEvent', organizationId: LINEAR_ID, agentSession: { id: session } };
  const tell = async (more: object): Promise<void> => {
    await deliver(berth?.url ?? '', fromLinear(SECRET, { ...base, ...more }));
    await ground.handleAll(1);
  };
  await tell({ action: 'created', asker: 'ann' });
  for (let turn = 0; turn < TURNS; turn++)
    await tell({
      action: 'prompted',
      asker: writes,
      agentActivity: { id: randomUUID(), text: `turn ${turn}` },
    });
  const messages = await ground.sql(
    `SELECT m.id FROM message m JOIN conversation c ON c.workspace_id = m.workspace_id WHERE c.key = $1`,
    [`session/${session}`],
  );
  const more = messages.length - 1;
  findings.number(`more by ${name}`, more);
  findings.expect(more <= extra, `${name}: ${more} messages more`);
  await visible(ground, session, writes, findings);
}

/** Where it tripped, people see it; and it is said once. */
async function visible(
  { sql }: WebhookGround,
  session: string,
  writes: string,
  findings: Findings,
): Promise<void> {
  const [found] = await sql(
    `SELECT c.state, c.state_reason,
            (SELECT count(*)::int FROM reply r WHERE r.conversation_id = c.id AND r.content->'content'->>'type' = 'refused') AS said,
            (SELECT count(*)::int FROM event e WHERE e.workspace_id = c.workspace_id AND e.type = 'conversation.state') AS told
       FROM conversation c WHERE c.key = $1`,
    [`session/${session}`],
  );
  const stopped = await sql(
    `SELECT count(*)::int AS n FROM delivery WHERE outcome = 'stopped-by-breaker' AND body LIKE '%' || $1 || '%'`,
    [session],
  );
  if (writes !== 'person') return;
  const { state, state_reason: reason, said, told } = found ?? {};
  findings.expect(
    state === 'paused' && String(reason).includes('loop'),
    `the conversation is ${String(state)}`,
  );
  findings.expect(said === 1 && told === 1, `said ${String(said)} times, told ${String(told)} times`);
  const expected = TURNS + 1 - breaker.inConversation;
  findings.expect(stopped[0]?.n === expected, `${String(stopped[0]?.n)} of ${expected} deliveries say so`);
}
