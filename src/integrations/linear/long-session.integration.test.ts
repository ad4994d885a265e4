import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import { statusOf } from '../../../test/emulators/linear-activities.js';
import type { LinearOrganization, LinearSession, LinearUser } from '../../../test/emulators/linear-world.js';
import { loginEndpoints, startTestApp, type TestApp } from '../../../test/support/app.js';
import { API_KEY } from '../../../test/support/bench.js';
import { eventually } from '../../../test/support/eventually.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import { machinesOf, type TestProxy, type TestRunner } from '../../../test/support/machines.js';
import { withClient } from '../../../test/support/tables.js';
import type { ClaimedTurn } from '../../contracts/index.js';
import { FakeClock } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';

/** Linear's clock is so much ahead of Berth's: it refuses a token that Berth still takes for good. */
const AHEAD_MS = 30_000;
/** How long Linear's tokens live (linear.md 4), and how long before their end Berth does not use them any more. */
const [TOKEN_MS, MARGIN_MS] = [86_399_000, 5_000];
const MINUTE_MS = 60_000;
/** How long the agent says nothing. */
const SILENT_MS = 36 * MINUTE_MS;

let clock: FakeClock;
let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let app: TestApp;
let session: LinearSession;
let runner: TestRunner;
let proxy: TestProxy;
let tokens: { accessToken: string; refreshToken: string };
let turn: ClaimedTurn;

beforeAll(async () => {
  clock = new FakeClock();
  linear = await startLinearEmulator({ clock: { now: () => new Date(clock.now().getTime() + AHEAD_MS) } });
  app = await startTestApp({ clock, worker: true, parts: { loginEndpoints: loginEndpoints({ linear }) } });
  linear.webhooks.url = `${app.url}/webhooks/linear`;
  acme = linear.addOrganization('acme');
  const organization = await app.founded('acme');
  const { owner } = organization;
  await owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await withClient(app.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET email_verified_at = now()'),
  );
  ann = acme.addUser({ email: owner.email });
  const team = acme.addTeam('ENG');
  await owner.api.post(owner.api.path('/mappings'), { linearTeamKey: 'ENG', repository: 'acme/web' }, 201);
  tokens = await connectLinear(app, organization, linear, acme);
  ({ session } = await linear.delegate(acme, acme.addIssue(team.id, { title: 'A button' }), ann));
  const workspaceId = await started();
  ({ runner, proxy } = await machinesOf(app, workspaceId));
  await runner.start();
});
afterAll(async () => {
  await app.close();
  await linear.close();
});

async function started(): Promise<string> {
  let id = '';
  await eventually('a workspace was started', async () => {
    const rows = await withClient(app.database.ownerUrl, async (client) => {
      const { rows: found } = await client.query<{ id: string }>('SELECT id FROM workspace');
      return found;
    });
    id = rows[0]?.id ?? '';
    return id !== '';
  });
  return id;
}

const said = (type: string): unknown[] =>
  acme
    .activitiesOf(session.id)
    .filter(({ content }) => content.type === type)
    .map(({ content }) => content.body);

/** The model answers, and then the agent. */
async function answer(text: string): Promise<void> {
  await proxy.report(proxy.served(await proxy.lease()));
  await runner.report(runner.answer(turn, text), runner.finished(turn));
}

it('is told in the session while its token lives', async () => {
  turn = await runner.claim(10);
  await eventually('it is told who works', () =>
    said('thought').some((body) => String(body).startsWith('Working on')),
  );
  expect(linear.logins.calls).toEqual([]);
});

it('is not taken for stale while the agent is silent and works on', async () => {
  // It is silent since what was said last is written down, which comes after Linear has it.
  await eventually('what was said is written down', async () => {
    const { rows } = await withClient(app.database.ownerUrl, (client) =>
      client.query(`SELECT 1 FROM reply WHERE state = 'waiting'`),
    );
    return rows.length === 0;
  });
  clock.advance(21 * MINUTE_MS);
  await app.app.get(JobQueue, { strict: false }).add('sweep', {});
  await eventually('it is told that it goes on', () => said('thought').includes('Still working.'));
  clock.advance(SILENT_MS - 21 * MINUTE_MS);
  expect(statusOf(acme, session)).toBe('active');
});

it('goes on when the token ends in the middle of a turn, and the answer of its renewal is lost', async () => {
  // By Berth's clock it lives for some seconds more, by Linear's it has ended.
  clock.advance(TOKEN_MS + AHEAD_MS - 2 * MARGIN_MS - SILENT_MS);
  expect(linear.logins.grantOf(tokens.accessToken)).toBeNull();
  linear.fail({ mode: 'lost-answer', match: { grant: 'refresh_token' } });
  await answer('A label was added.');
  await eventually('the answer is said', () => said('response').length > 0);
  expect(linear.requests.some(({ status, operation }) => status === 401 && operation !== null)).toBe(true);
});

it('takes what is written there for a second turn, and answers it with the next token', async () => {
  await linear.prompt(acme, session, ann, 'And on the cart page.');
  turn = await runner.claim(10);
  expect(turn.text).toContain('And on the cart page.');
  await answer('There too.');
  await eventually('the second answer is said', () => said('response').length > 1);
});

it('said each thing once, and exchanged once: what was lost was asked for again, with the same token and in the half hour for it', () => {
  expect(said('response')).toEqual(['A label was added.', 'There too.']);
  expect(said('error')).toEqual([]);
  const created = linear.calls.filter(
    ({ operation, errors }) => operation === 'agentActivityCreate' && errors.length === 0,
  );
  const ids = created.map(({ variables }) => (variables.input as { id: string }).id);
  expect(new Set(ids).size).toBe(ids.length);
  const { calls, book } = linear.logins;
  expect(calls.map(({ outcome, isDelivered }) => ({ outcome, isDelivered }))).toEqual([
    { outcome: 'renewed', isDelivered: false },
    { outcome: 'replayed', isDelivered: true },
  ]);
  const asked = linear.requests.flatMap(({ refreshToken }) => refreshToken ?? []);
  expect(new Set(asked)).toEqual(new Set([tokens.refreshToken]));
  expect(book.lineages).toMatchObject([{ generation: 2, isEnded: false, living: 1 }]);
});
