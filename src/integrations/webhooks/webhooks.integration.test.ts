import { randomUUID } from 'node:crypto';
import { startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { tieGithub, tieLinear } from '../../../test/support/connections.js';
import { withClient } from '../../../test/support/tables.js';
import {
  deliver,
  fromGithub,
  fromLinear,
  signed,
  type SignedDelivery,
} from '../../../test/support/webhooks.js';
import { Secret } from '../../kernel/index.js';
import { Deliveries } from '../../triggers/index.js';
import { WebhookSecrets } from './webhook-secrets.js';

const [SECRET, OLDER] = ['the secret of now', 'the one before'];
const MARK = `mark-${randomUUID()}`;
const session = {
  type: 'AgentSessionEvent',
  action: 'created',
  organizationId: 'linear-of-acme',
  text: MARK,
};
const comment = { action: 'created', installation: { id: 7 }, comment: { body: MARK } };

describe('what other systems tell', () => {
  let berth: TestApp;
  let acme: TestOrganization;
  let secrets: Secret[] = [];
  beforeAll(async () => {
    berth = await startTestApp();
    acme = await berth.founded('acme');
    await tieLinear(berth.database.ownerUrl, acme.id, 'linear-of-acme');
    await tieGithub(berth.database.ownerUrl, acme.id, '7');
    const known = berth.app.get(WebhookSecrets, { strict: false });
    known.from('github', () => secrets);
    known.from('linear', () => Promise.resolve(secrets));
  });
  afterAll(() => berth.close());
  beforeEach(async () => {
    secrets = [new Secret(SECRET), new Secret(OLDER)];
    await withClient(berth.database.ownerUrl, (client) => client.query('DELETE FROM delivery'));
  });

  const send = (delivery: SignedDelivery) => deliver(berth.url, delivery);
  const rows = async (): Promise<Record<string, unknown>[]> =>
    withClient(
      berth.database.ownerUrl,
      async (client) =>
        (await client.query<Record<string, unknown>>('SELECT * FROM delivery ORDER BY received_at')).rows,
    );

  it('is stored with its tenant, and answered 200', async () => {
    const id = randomUUID();
    expect(await send(fromGithub(SECRET, 'issue_comment', comment, id))).toEqual({
      status: 200,
      text: '{"received":"new"}',
    });
    expect((await send(fromGithub(OLDER, 'issue_comment', comment, id))).text).toBe('{"received":"again"}');
    expect((await send(fromLinear(OLDER, session))).status).toBe(200);
    expect(await rows()).toMatchObject([
      {
        organization_id: acme.id,
        system: 'github',
        delivery_id: id,
        event: 'issue_comment',
        action: 'created',
      },
      { organization_id: acme.id, system: 'linear', event: 'AgentSessionEvent', action: 'created' },
    ]);
  });

  it('is noted whatever it is: events, actions and tenants that nobody knows', async () => {
    for (const delivery of [
      fromGithub(SECRET, 'brand_new_event', { action: 'never-heard-of', installation: { id: 7 } }),
      fromGithub(SECRET, 'ping', { zen: MARK }),
      fromGithub(SECRET, 'issue_comment', { ...comment, action: ['odd'], installation: { id: 8 } }),
      fromLinear(SECRET, { type: 'Issue', organizationId: 'elsewhere', text: MARK }),
      fromLinear(SECRET, { text: MARK }),
    ])
      expect((await send(delivery)).status).toBe(200);
    const [known, ...unknown] = await rows();
    expect(known).toMatchObject({ event: 'brand_new_event', action: 'never-heard-of', state: 'received' });
    for (const row of unknown)
      expect(row).toMatchObject({ organization_id: null, body: null, outcome: 'ignored-unknown-tenant' });
    expect(JSON.stringify(unknown)).not.toContain(MARK);
  });

  it.each<[string, number, () => SignedDelivery]>([
    ['another secret', 401, () => fromGithub('wrong', 'issue_comment', comment)],
    ['another secret, at Linear', 401, () => fromLinear('wrong', session)],
    ['no signature', 401, () => without(fromLinear(SECRET, session), 'linear-signature')],
    [
      'changed bytes',
      401,
      () => ({ ...fromGithub(SECRET, 'x', comment), body: JSON.stringify({ ...comment, a: 1 }) }),
    ],
    ['no name of its own', 400, () => without(fromGithub(SECRET, 'x', comment), 'x-github-delivery')],
    ['a name that is none', 400, () => fromGithub(SECRET, 'x', comment, '../../etc')],
    ['no signed time', 400, () => signed('linear', SECRET, JSON.stringify(session))],
    [
      'a time that is text',
      400,
      () => signed('linear', SECRET, `{"webhookTimestamp":"${new Date().toISOString()}"}`),
    ],
    ['no JSON', 400, () => signed('github', SECRET, MARK)],
    ['a list', 400, () => signed('github', SECRET, `["${MARK}"]`)],
    [
      'a form',
      415,
      () => ({
        ...fromGithub(SECRET, 'x', comment),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ],
    ['70 levels', 400, () => signed('github', SECRET, `${'{"a":'.repeat(70)}1${'}'.repeat(70)}`)],
    ['6 MiB', 413, () => signed('github', SECRET, JSON.stringify({ text: MARK.padEnd(6 * 2 ** 20, 'x') }))],
  ])('is refused with %s: nothing is stored, and nothing said again', async (_, status, make) => {
    const answer = await send(make());
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain(MARK);
    expect(await rows()).toEqual([]);
  });

  it('is not taken where the system is not set up, and says so', async () => {
    secrets = [];
    const { status, text } = await send(fromGithub(SECRET, 'x', comment));
    expect([status, text]).toEqual([404, expect.stringContaining('GitHub is not set up')]);
    expect(await rows()).toEqual([]);
  });

  it('is late by the time that was signed, and once however often and under whichever name it comes', async () => {
    const missed: string[] = [];
    berth.app.get(Deliveries, { strict: false }).whenLate('linear', (organizationId) => {
      missed.push(organizationId);
      return Promise.resolve();
    });
    const old = fromLinear(SECRET, session, { at: Date.now() - 61_000 });
    for (let name = 0; name < 3; name++) {
      const headers = {
        ...old.headers,
        'linear-delivery': randomUUID(),
        // Not signed, and anybody's to write.
        'linear-timestamp': String(Date.now()),
      };
      expect((await send({ ...old, headers })).status).toBe(200);
    }
    expect(await rows()).toMatchObject([{ state: 'failed', outcome: 'late', body: null, attempts: 0 }]);
    expect(missed).toEqual([acme.id, acme.id, acme.id]);
  });
});

function without(delivery: SignedDelivery, header: string): SignedDelivery {
  const { [header]: _, ...headers } = delivery.headers;
  return { ...delivery, headers };
}
