import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type { LinearDelivery } from '../../../test/emulators/linear-webhooks.js';
import type { LinearIssue, LinearOrganization, LinearUser } from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { API_KEY } from '../../../test/support/bench.js';
import { eventually } from '../../../test/support/eventually.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import { withClient } from '../../../test/support/tables.js';
import type { DeliveryView } from '../../contracts/index.js';

let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let issue: LinearIssue;
let app: TestApp;
let organization: TestOrganization;

beforeAll(async () => {
  linear = await startLinearEmulator();
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear }) } });
  linear.webhooks.url = `${app.url}/webhooks/linear`;
  acme = linear.addOrganization('acme');
  acme.appUser.name = 'tryreplicas';
  organization = await app.founded('acme');
  const { api, email } = organization.owner;
  await api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await sql('UPDATE "user" SET email_verified_at = now()');
  ann = acme.addUser({ name: 'Ann Example', email });
  issue = acme.addIssue(acme.addTeam('ENG').id, { title: 'Checkout button has no label' });
  await connectLinear(app, organization, linear, acme);
  await api.post(api.path('/mappings'), { linearTeamKey: 'ENG', repository: 'acme/web' }, 201);
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

const sql = <T>(text: string): Promise<T[]> =>
  withClient(app.database.ownerUrl, async (client) => (await client.query(text)).rows as T[]);

async function outcomeOf({ id }: LinearDelivery): Promise<string | null> {
  const { api } = organization.owner;
  let found: DeliveryView | undefined;
  await eventually('it is handled', async () => {
    const { items } = (await api.get<{ items: DeliveryView[] }>(api.path('/deliveries'))).body;
    found = items.find(({ deliveryId, state }) => deliveryId === id && state === 'processed');
    return found !== undefined;
  });
  return found?.outcome ?? null;
}
/** What Berth said in a session, by its types. */
const said = (sessionId: string): unknown[] =>
  acme
    .activitiesOf(sessionId)
    .filter(({ userId }) => userId === acme.appUser.id)
    .map(({ content }) => content.type);

it('are not heard at Berth’s own word', async () => {
  const { session, delivery } = await linear.mention(acme, issue, acme.appUser, '@tryreplicas go on');
  expect(await outcomeOf(delivery)).toBe('ignored-own');
  const prompted = await linear.prompt(acme, session, acme.appUser, 'go on');
  expect(await outcomeOf(prompted)).toBe('ignored-own');
  expect(said(session.id)).toEqual(['prompt']);
});

it('are not heard at the word of an agent, whoever is responsible for that one', async () => {
  const agent = acme.addUser({ name: 'Codey', email: 'codey@oauthapp.linear.app', app: true });
  const tries: [LinearUser, boolean, string][] = [
    [agent, false, 'ignored-app'],
    [agent, true, 'ignored-app'],
    [acme.appUser, false, 'ignored-own'],
    [acme.appUser, true, 'ignored-app'],
  ];
  for (const [by, isInThread, outcome] of tries) {
    const more = { responsible: ann, isInThread };
    const { session, delivery } = await linear.mention(acme, issue, by, '@tryreplicas thanks!', more);
    expect([by.name, isInThread, await outcomeOf(delivery)]).toEqual([by.name, isInThread, outcome]);
    expect(said(session.id)).toEqual([]);
  }
  expect(await sql('SELECT 1 FROM ask')).toEqual([]);
});

it('in a thread are done by the words that were written there, as who wrote them', async () => {
  const { session, delivery } = await linear.mention(acme, issue, ann, '@tryreplicas the cart page too', {
    isInThread: true,
  });
  expect(await outcomeOf(delivery)).toBe('started');
  await eventually('a sign of life is given', () => said(session.id).length > 0);
  const [message] = await sql<{ text: string; author_id: string }>('SELECT text, author_id FROM message');
  expect(message?.author_id).toBe(organization.owner.userId);
  expect(message?.text).toContain('the cart page too');
  expect(message?.text).not.toContain('agent session');
});

it('in a thread that is gone are done by what was told', async () => {
  linear.webhooks.url = null;
  const more = { isInThread: true };
  const { session } = await linear.mention(acme, issue, ann, '@tryreplicas and the tests', more);
  const source = [...acme.comments.values()].find(({ body }) => body.endsWith('and the tests'));
  acme.comments.delete(source?.id ?? '');
  linear.webhooks.url = `${app.url}/webhooks/linear`;
  const delivery = await linear.webhooks.send(linear.webhooks.sessionEvent(acme, session, null));
  expect(await outcomeOf(delivery)).toBe('started');
});
