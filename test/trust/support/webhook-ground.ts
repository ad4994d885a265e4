import { DeliveryJobs } from '../../../src/triggers/deliveries/delivery.jobs.js';
import { Asks, Deliveries, type Ask, type DeliveryToHandle } from '../../../src/triggers/index.js';
import { WebhookSecrets } from '../../../src/integrations/index.js';
import { ExternalAccounts, type ExternalPerson } from '../../../src/identity/index.js';
import { Secret, silentMetrics } from '../../../src/kernel/index.js';
import { JobHandlers, JobQueue } from '../../../src/queue/index.js';
import { API_KEY } from '../../support/bench.js';
import { startTestApp, type TestApp, type TestAppOptions, type TestOrganization } from '../../support/app.js';
import { tieGithub, tieLinear } from '../../support/connections.js';
import { withClient } from '../../support/tables.js';

export const SECRET = 'the secret that deliveries are signed with';
export const LINEAR_ID = 'linear-of-acme';
export const INSTALLATION = 7;

/** Two replicas that hear GitHub and Linear, with one organization and one member who is known at both. No job is done by itself: the test says when, and on which replica. */
export interface WebhookGround {
  replicas: TestApp[];
  acme: TestOrganization;
  /** The member there. */
  ann: ExternalPerson;
  /** Handles what waits, each delivery `times` at once on all replicas, until nothing does; answers how many deliveries it were. */
  handleAll(times: number): Promise<number>;
  sql: (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** `askOf` says what is asked in a delivery; null: nothing. */
export async function startWebhooks(
  askOf: (delivery: DeliveryToHandle, ann: ExternalPerson) => Ask | null,
  { replicas: count = 1, ...options }: TestAppOptions & { replicas?: number } = {},
): Promise<WebhookGround> {
  const first = await startTestApp(options);
  const replicas = [first];
  while (replicas.length < count) replicas.push(await startTestApp({ ...options, beside: first }));
  const acme = await first.founded('acme');
  await acme.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  const { ownerUrl } = first.database;
  await tieLinear(ownerUrl, acme.id, LINEAR_ID);
  await tieGithub(ownerUrl, acme.id, String(INSTALLATION));
  for (const system of ['github', 'linear'] as const)
    for (const { app } of replicas)
      app.get(WebhookSecrets, { strict: false }).from(system, () => [new Secret(SECRET)]);
  const ann: ExternalPerson = {
    ...{ system: 'linear', externalId: 'ann', handle: null, name: 'Ann', email: null },
    ...{ emailProven: false, isApp: false, isActive: true },
  };
  const accounts = first.app.get(ExternalAccounts, { strict: false });
  await first.parts.database.tenant(acme.id, (tenant) =>
    accounts.link(tenant, { userId: acme.owner.userId, person: ann, proof: 'authorization' }),
  );
  const workers = replicas.map((berth) => workerOf(berth, (delivery) => askOf(delivery, ann)));
  const sql: WebhookGround['sql'] = (text, values = []) =>
    withClient(ownerUrl, async (client) => (await client.query<Record<string, unknown>>(text, values)).rows);
  const handleAll = async (times: number): Promise<number> => {
    let handled = 0;
    for (;;) {
      const waiting = await sql(`SELECT id FROM delivery WHERE state = 'received' ORDER BY received_at`);
      if (waiting.length === 0) return handled;
      handled += waiting.length;
      const tries = waiting.flatMap(({ id }) =>
        Array.from({ length: times }, async (_, at) => {
          await workers[at % workers.length]?.handle(acme.id, String(id));
        }),
      );
      // Who comes while another is at it is told so, and comes again.
      await Promise.allSettled(tries);
    }
  };
  const close = async (): Promise<void> => {
    for (const berth of replicas.reverse()) await berth.close();
  };
  return { replicas, acme, ann, handleAll, sql, close };
}

/** A worker of its own beside the replica's, with a handler that needs no other system. */
function workerOf(berth: TestApp, askOf: (delivery: DeliveryToHandle) => Ask | null): DeliveryJobs {
  const { database, system, world, log } = berth.parts;
  const deliveries = new Deliveries(database, system, berth.app.get(JobQueue), world, log, silentMetrics);
  const asks = berth.app.get(Asks, { strict: false });
  for (const name of ['github', 'linear'] as const)
    deliveries.handledBy(name, async (delivery) => {
      const ask = askOf(delivery);
      return ask ? asks.take(ask) : { outcome: 'ignored-nothing-asked' };
    });
  const sweep = { also: () => undefined } as never;
  return new DeliveryJobs(database, deliveries, world, log, silentMetrics, new JobHandlers(), sweep);
}

/** What is asked in a session at Linear: its start, or a further word. */
export function askInSession(
  delivery: DeliveryToHandle,
  asker: ExternalPerson | null,
  { issueId = null }: { issueId?: string | null } = {},
): Ask {
  const { agentSession, agentActivity } = delivery.body as {
    agentSession: { id: string };
    agentActivity?: { id: string; text: string };
  };
  const { id } = agentSession;
  return {
    ...{ organizationId: delivery.organizationId, system: 'linear', deliveryRowId: delivery.id, asker },
    key: agentActivity ? `activity/${agentActivity.id}` : `session/${id}`,
    conversation: {
      key: `session/${id}`,
      url: `https://linear.app/acme/session/${id}`,
      subject: { issueId },
    },
    ...{ text: agentActivity?.text ?? 'begin', title: 'A task', mayStart: true, readOnly: false },
    place: { repository: 'acme/app' },
  };
}
