import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGithubEmulator, type GithubEmulator } from '../../../test/emulators/github.js';
import type { GithubApp as EmulatedApp } from '../../../test/emulators/github-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { expectProblem } from '../../../test/support/problem.js';
import { withClient } from '../../../test/support/tables.js';
import { deliver, fromGithub } from '../../../test/support/webhooks.js';
import { createLog } from '../../app/log.js';
import type { GithubAppView } from '../../contracts/index.js';
import { FakeClock, Secret } from '../../kernel/index.js';
import { GithubApp } from '../index.js';

const clock = new FakeClock(new Date());
let folder: string;
let github: GithubEmulator;
let made: EmulatedApp;
let berth: TestApp;
let acme: TestOrganization;
let logged = '';
const answers: string[] = [];
const given: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-app-'));
  github = await startGithubEmulator({ root: folder });
  const log = createLog('debug', { write: (line: string) => void (logged += line) });
  // There is no App yet when this starts, so that none is the environment's.
  berth = await startTestApp({ clock, log, parts: { loginEndpoints: loginEndpoints({ github }) } });
  acme = await berth.founded('acme');
  await withClient(berth.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]),
  );
  const owner = github.make.organization('acme', [github.make.user('alice')]);
  made = github.make.app({ slug: 'berth-acme', owner });
});
afterAll(async () => {
  await berth.close();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

const app = () => berth.app.get(GithubApp, { strict: false });
async function replace(body: Record<string, unknown>, status = 200) {
  given.push(...Object.values(body).filter((value) => typeof value === 'string'));
  const answer = await acme.owner.api.call<GithubAppView>(
    'PATCH',
    '/api/v1/instance/github-app',
    body,
    status,
  );
  answers.push(JSON.stringify(answer.body));
  return answer;
}
const delivered = async (secret: string): Promise<number> =>
  (await deliver(berth.url, fromGithub(secret, 'ping', { zen: 'Keep it simple.' }))).status;
const pem = (): { privateKey: string; publicKey: string } =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
const [FIRST, SECOND, THIRD] = ['first', 'second', 'third'].map(
  (name) => `the-${name}-secret-of-the-hook`,
) as [string, string, string];

it('has no secrets to replace where there is no App, or it is the environment’s', async () => {
  expectProblem(await replace({ webhookSecret: FIRST }, 409), 409, 'not-connected');
  const secret = new Secret('of-the-environment');
  const keys = { clientSecret: secret, webhookSecret: secret, privateKey: secret };
  app().endpoints.app = { appId: '7', slug: 'berth', clientId: 'x', ...keys };
  try {
    expectProblem(await replace({ webhookSecret: FIRST }, 409), 409, 'operation-not-possible');
  } finally {
    app().endpoints.app = null;
  }
  const { id, slug, clientId, clientSecret, pem: privateKey } = made;
  await app().store(
    { appId: String(id), slug, clientId, clientSecret, privateKey, webhookSecret: FIRST },
    { type: 'system', id: null, name: 'a test', apiKeyId: null },
  );
  expect(await delivered(FIRST)).toBe(200);
});

it('takes deliveries with the webhook secret before for an hour, and for no time where it is known to others', async () => {
  const { body } = await replace({ webhookSecret: SECOND });
  expect(body).toEqual({
    appId: String(made.id),
    slug: 'berth-acme',
    clientId: made.clientId,
    formerWebhookSecretsUntil: new Date(clock.now().getTime() + 3600_000).toISOString(),
  });
  expect([await delivered(FIRST), await delivered(SECOND), await delivered(THIRD)]).toEqual([200, 200, 401]);
  clock.advance(3600_000);
  expect([await delivered(FIRST), await delivered(SECOND)]).toEqual([401, 200]);
  const ended = await replace({ webhookSecret: THIRD, acceptFormerMinutes: 0 });
  expect(ended.body.formerWebhookSecretsUntil).toBeNull();
  expect([await delivered(SECOND), await delivered(THIRD)]).toEqual([401, 200]);
});

it('keeps a private key only if GitHub takes it for this App', async () => {
  // Its hour is over; the clock of GitHub goes on as ours does.
  clock.advance(-3600_000);
  const [fresh, foreign] = [pem(), pem()];
  given.push(fresh.privateKey.split('\n')[3] ?? '', foreign.privateKey.split('\n')[3] ?? '');
  made.publicKeyPem = fresh.publicKey;
  const { privateKey } = await app().keys();
  const broken = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
  for (const wrong of [foreign.privateKey, broken])
    expectProblem(await replace({ privateKey: wrong }, 409), 409, 'operation-not-possible');
  github.fail({ status: 502, match: { path: '/api/v3/app' } });
  expectProblem(await replace({ privateKey: fresh.privateKey }, 503), 503, 'not-ready');
  expect((await app().keys()).privateKey.reveal()).toBe(privateKey.reveal());
  await replace({ privateKey: fresh.privateKey });
  expect((await (await app().octokit()).request('GET /app')).status).toBe(200);
});

it('loses none of two that are replaced at once, and books each', async () => {
  const count = async (): Promise<number> => {
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query<{ details: { replaced: string[] } }>(
        `SELECT details FROM audit_entry WHERE action = 'github-app.secrets-replaced'`,
      ),
    );
    return rows.length;
  };
  const before = await count();
  const clientSecret = 'the-new-secret-of-the-client';
  await Promise.all([replace({ clientSecret }), replace({ webhookSecret: FIRST })]);
  expect((await app().keys()).clientSecret.reveal()).toBe(clientSecret);
  expect([await delivered(THIRD), await delivered(FIRST)]).toEqual([200, 200]);
  expect((await count()) - before).toBe(2);
});

it('wants something to replace, and of a form that a secret has', async () => {
  for (const body of [{}, { acceptFormerMinutes: 5 }, { webhookSecret: 'short' }, { privateKey: 'no key' }])
    expectProblem(await replace(body, 422), 422, 'validation-failed');
});

it('shows and logs none, and has none in the open in the database', async () => {
  const rows = await withClient(berth.database.ownerUrl, async (client) => {
    const sql = `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`;
    let all = '';
    for (const { name } of (await client.query<{ name: string }>(sql)).rows)
      all += JSON.stringify((await client.query(`SELECT * FROM "${name}"`)).rows);
    return all;
  });
  const secrets = given.filter((text) => text.length >= 16);
  expect(secrets.length).toBeGreaterThan(8);
  for (const text of [logged, rows, answers.join('\n')])
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
});
