import { startLinearEmulator, type LinearEmulator } from '../../test/emulators/linear.js';
import { until } from '../../test/emulators/until.js';
import { startTestApp, loginEndpoints, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import type { Actor } from '../identity/index.js';
import { hintOf } from '../kernel/index.js';
import { AppTokens } from './app-tokens.js';
import { CredentialsService } from './credentials.service.js';

const CROWD = 20;

let linear: LinearEmulator;
let app: TestApp;
let organization: TestOrganization;
let tokens: AppTokens;
beforeAll(async () => {
  linear = await startLinearEmulator();
  linear.addOrganization('acme');
  app = await startTestApp({ worker: true, parts: { loginEndpoints: loginEndpoints({ linear }) } });
  organization = await app.founded('acme');
  tokens = app.app.get(AppTokens, { strict: false });
});
afterEach(() => linear.reset());
afterAll(async () => {
  await app.close();
  await linear.close();
});

/** As connecting Linear stores it. */
async function connect(): Promise<{ accessToken: string; refreshToken: string }> {
  const [acme] = linear.organizations.values();
  const grant = {
    organizationId: acme?.id ?? '',
    userId: acme?.appUser.id ?? '',
    actor: 'app' as const,
    scopes: ['read'],
  };
  const { accessToken, refreshToken, expiresAt } = linear.logins.install(grant);
  const { id, owner } = organization;
  const actor = {
    organizationId: id,
    userId: owner.userId,
    role: 'owner',
    name: owner.name,
    via: { type: 'session', id },
  } as unknown as Actor;
  const parsed = {
    secret: { accessToken, refreshToken },
    hint: hintOf(accessToken),
    settings: {},
    expiresAt,
  };
  const place = { scope: 'organization', userId: null, kind: 'linear_app' } as const;
  await app.app
    .get(CredentialsService, { strict: false })
    .connect(actor, place, parsed, () => Promise.resolve());
  return { accessToken, refreshToken };
}

const token = () => tokens.token(organization.id, 'linear_app');
const runOut = (): Promise<unknown> =>
  withClient(app.database.ownerUrl, (client) =>
    client.query(
      `UPDATE credential SET expires_at = now(), renew_at = now() - interval '1 minute' WHERE kind = 'linear_app'`,
    ),
  );

it('says that there is none before Linear is connected', async () => {
  await expect(token()).rejects.toMatchObject({ code: 'not-connected' });
});

it('is given as it is while it serves', async () => {
  const { accessToken } = await connect();
  const given = await token();
  expect(given.token.reveal()).toBe(accessToken);
  expect(JSON.stringify(given)).not.toContain(accessToken);
  expect(linear.logins.calls).toEqual([]);
});

it('is renewed by one call when it has run out, for however many ask', async () => {
  const { refreshToken } = await connect();
  await runOut();
  const given = await Promise.all(Array.from({ length: CROWD }, token));
  expect(new Set(given.map((each) => each.token.reveal())).size).toBe(1);
  expect(linear.logins.grantOf(given[0]?.token.reveal() ?? '')).not.toBeNull();
  expect(linear.logins.calls.map(({ outcome }) => outcome)).toEqual(['renewed']);
  expect(linear.requests.map((request) => request.refreshToken)).toEqual([refreshToken]);
});

it('is renewed once when Linear refuses it, however many say so', async () => {
  await connect();
  const first = await token();
  linear.logins.revoke(first.token.reveal());
  await Promise.all(Array.from({ length: CROWD }, () => tokens.refused(organization.id, first)));
  const next = await token();
  expect(next.generation).toBe(first.generation + 1);
  await tokens.refused(organization.id, first);
  expect((await token()).generation).toBe(next.generation);
  expect(linear.logins.count('renewed')).toBe(1);
});

it('is got by the same call again when the answer was lost', async () => {
  await connect();
  await runOut();
  linear.fail({ mode: 'lost-answer', match: { grant: 'refresh_token' } });
  const given = await token();
  expect(linear.logins.grantOf(given.token.reveal())).not.toBeNull();
  expect(linear.logins.calls.map(({ outcome }) => outcome)).toEqual(['renewed', 'replayed']);
  const asked = new Set(linear.requests.map((request) => request.refreshToken));
  expect(asked.size).toBe(1);
});

it('waits for a renewal that fails at first', async () => {
  await connect();
  await runOut();
  linear.fail({ status: 503, match: { grant: 'refresh_token' } });
  const given = token();
  await until('it was asked again', () => linear.logins.count('renewed') === 1);
  expect(linear.logins.grantOf((await given).token.reveal())).not.toBeNull();
});

it('says in a sentence when Linear ended it, and no secret', async () => {
  const { accessToken, refreshToken } = await connect();
  linear.logins.endAll([...linear.organizations.keys()][0] ?? '');
  await tokens.refused(organization.id, await token());
  await expect(token()).rejects.toMatchObject({
    code: 'not-connected',
    message: expect.stringContaining('An admin connects it again') as string,
  });
  const { body } = await organization.owner.api.get<unknown>(
    organization.owner.api.path('/credentials/organization/linear_app'),
  );
  expect(body).toMatchObject({ status: 'rejected', lastError: 'Linear refused the login (invalid_grant)' });
  for (const secret of [accessToken, refreshToken]) expect(JSON.stringify(body)).not.toContain(secret);
});

it('is neither set nor removed by hand', async () => {
  const { api } = organization.owner;
  const path = api.path('/credentials/organization/linear_app');
  await api.call('PUT', path, { accessToken: 'x' }, 422);
  await api.call('DELETE', path, undefined, 422);
});
