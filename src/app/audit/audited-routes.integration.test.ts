import type { Answered } from '../../../test/support/api.js';
import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { requestJson } from '../../../test/support/http.js';
import { machinesOf } from '../../../test/support/machines.js';
import { withClient } from '../../../test/support/tables.js';
import { tieAccount } from '../../../test/support/connections.js';
import { bodiesInTime, knowLinear, makeGithubApp } from '../../../test/support/mutations.js';
import { call, furnish, routes } from '../../../test/support/tenant-routes.js';
import * as contracts from '../../contracts/index.js';
import type { AuditAction, RouteContract } from '../../contracts/index.js';

/** What may change something and is not booked, each with the reason. A route comes onto this list only when somebody thought about it. */
const NOT_AUDITED: Record<string, string> = {
  runnerHelloRoute:
    'a runner of Berth reports for duty; what people asked for is booked, and the operation tells the rest',
  runnerClaimRoute: 'taking up a turn is seen in the turn and in its events',
  runnerCommandsRoute: 'asks, and changes nothing',
  runnerReportRoute: 'what an agent did is the event log, which is numbered and never changed either',
  proxyReportRoute: 'receipts and usage are facts of their own, never changed',
  proxyWithdrawnRoute: 'asks, and changes nothing',
  proxyEgressRoute: 'asks, and changes nothing',
  githubWebhookRoute: 'each delivery is a row that stays, and what came of it is booked as who asked',
  linearWebhookRoute: 'each delivery is a row that stays, and what came of it is booked as who asked',
};

/** Routes outside of an organization, and machines: each called so that it succeeds. Answers the id of the request. */
const others: Record<string, () => Promise<{ status: number; requestId: string }>> = {
  // Works once, and has been called before all tests.
  setupRoute: () => Promise.resolve(answered(setUp)),
  signInRoute: async () => answered(await signIn()),
  signOutRoute: async () => {
    const cookie = (await signIn()).headers.getSetCookie()[0]?.split(';')[0] ?? '';
    return answered(
      await requestJson(`${berth.url}/api/v1/session`, 'DELETE', undefined, { cookie, origin: berth.url }),
    );
  },
  createOrganizationRoute: async () =>
    answered(await administrator.api.post('/api/v1/organizations', { name: 'New', slug: 'new' }, 201)),
  acceptInvitationRoute: async () => {
    const { api } = administrator;
    const invited = { email: 'bob@example.com', role: 'member' };
    const { body } = await api.post<{ url: string }>(api.path('/invitations'), invited, 201);
    const token = new URL(body.url).searchParams.get('token');
    return answered(
      await berth.api(null).post('/api/v1/invitations/accept', { token, name: 'Bob', password }, 201),
    );
  },
  connectExternalAccountRoute: async () => {
    knowLinear(berth);
    const path = '/api/v1/me/external-accounts/linear/connect';
    return answered(await administrator.api.post(path, undefined, 201));
  },
  deleteExternalAccountsRoute: async () => {
    await tieAccount(berth.database.ownerUrl, { organizationId: acme.id, userId: administrator.userId });
    return answered(await administrator.api.call('DELETE', '/api/v1/me/external-accounts', undefined, 204));
  },
  rotateKeysRoute: async () =>
    answered(await administrator.api.post('/api/v1/instance/keys/rotate', undefined, 202)),
  rotateIssuerKeyRoute: async () =>
    answered(await administrator.api.post('/api/v1/instance/issuer/rotate', {}, 202)),
  replaceGithubAppSecretsRoute: async () => {
    await makeGithubApp(berth);
    const body = { webhookSecret: 'another-secret-of-the-hook' };
    return answered(await administrator.api.call('PATCH', '/api/v1/instance/github-app', body, 200));
  },
  proxyLeaseRoute: async () => {
    const { workspaceId } = await furnish(berth, acme);
    const { proxy } = await machinesOf(berth, workspaceId);
    return answered(await proxy.tryLease());
  },
};

let berth: TestApp;
let acme: TestOrganization;
let administrator: TestMember;
let setUp: Answered<{ apiKey: string; organization: { id: string }; user: { id: string } }>;
const email = 'ada@example.com';
const password = 'correct horse battery';

beforeAll(async () => {
  berth = await startTestApp({ worker: true });
  // Set up over HTTP, for a person with a password.
  setUp = await requestJson(`${berth.url}/api/v1/setup`, 'POST', {
    token: berth.setupToken,
    organization: { name: 'Acme', slug: 'acme' },
    user: { name: 'Ada', email, password },
  });
  const { body } = setUp;
  administrator = {
    userId: body.user.id,
    name: 'Ada',
    email,
    role: 'owner',
    apiKeyId: '',
    apiKey: body.apiKey,
    api: berth.api(body.apiKey, 'acme'),
  };
  acme = { id: body.organization.id, slug: 'acme', owner: administrator };
});
afterAll(() => berth.close());

const signIn = () => requestJson(`${berth.url}/api/v1/session`, 'POST', { email, password });
const answered = ({ status, headers }: { status: number; headers: Headers }) => ({
  status,
  requestId: headers.get('x-request-id') ?? '',
});

async function actionsOf(requestId: string): Promise<AuditAction[]> {
  const { rows } = await withClient(berth.database.ownerUrl, (client) =>
    client.query<{ action: AuditAction }>(
      'SELECT action FROM audit_entry WHERE request_id = $1 ORDER BY action',
      [requestId],
    ),
  );
  return rows.map(({ action }) => action);
}

const changing = Object.entries(contracts as Record<string, unknown>)
  .filter(([name]) => name.endsWith('Route'))
  .map(([name, contract]) => ({ name, contract: contract as RouteContract }))
  .filter(({ contract, name }) => contract.method !== 'GET' && !(name in NOT_AUDITED));

it('the list of exceptions names only routes that are there', () => {
  for (const name of Object.keys(NOT_AUDITED)) expect([name, name in contracts]).toEqual([name, true]);
});

it('there are enough of them for this test to mean something', () => {
  expect(changing.length).toBeGreaterThan(12);
});

describe('a call that succeeds leaves an entry under the id of its request', () => {
  let nth = 0;
  it.each(changing)('$contract.method $contract.path', async ({ name }) => {
    const route = routes.find((candidate) => candidate.name === name);
    const other = others[name];
    if (!route && !other)
      throw new Error(`Teach this test a call of ${name} that succeeds, or say why it is not audited.`);
    if (other) {
      const { status, requestId } = await other();
      expect([status >= 200 && status < 300, status]).toEqual([true, status]);
      expect((await actionsOf(requestId)).length).toBeGreaterThan(0);
      return;
    }
    if (!route) return;
    // An organization of its own, so that no other route has used up what this one needs.
    const organization = await berth.founded(`own-${++nth}`);
    const byAdministrator = route.contract.access === 'instance-administrator';
    const { status, headers, body } = await call(
      byAdministrator ? administrator.api : organization.owner.api,
      route,
      organization.slug,
      await furnish(berth, organization),
      await bodiesInTime[name]?.(berth, organization),
    );
    expect([status >= 200 && status < 300, body]).toEqual([true, body]);
    const actions = await actionsOf(headers.get('x-request-id') ?? '');
    expect(actions.length).toBeGreaterThan(0);
    expect(actions).not.toContain('access.refused');
  });
});

it('every entry has an action of the list', async () => {
  const { rows } = await withClient(berth.database.ownerUrl, (client) =>
    client.query<{ action: string }>('SELECT DISTINCT action FROM audit_entry'),
  );
  for (const { action } of rows) expect(Object.keys(contracts.auditActions)).toContain(action);
});
