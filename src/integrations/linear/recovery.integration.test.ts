import { startLinearEmulator, type LinearEmulator } from '../../../test/emulators/linear.js';
import type { LinearOrganization } from '../../../test/emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { insertRow } from '../../../test/support/conversations.js';
import { connectLinear } from '../../../test/support/linear-connection.js';
import { withClient } from '../../../test/support/tables.js';
import { FakeClock } from '../../kernel/index.js';
import { Recoveries } from '../../triggers/index.js';

const never = new AbortController().signal;

describe('what Linear told while nobody listened', () => {
  // What is asked now is not on its way any more.
  const clock = new FakeClock(new Date(Date.now() + 60_000));
  let linear: LinearEmulator;
  let acme: LinearOrganization;
  let app: TestApp;
  let organization: TestOrganization;

  beforeAll(async () => {
    linear = await startLinearEmulator();
    acme = linear.addOrganization('acme');
    acme.addTeam('ENG');
    // Without a worker: what is received stays as it was received.
    app = await startTestApp({ clock, parts: { loginEndpoints: loginEndpoints({ linear }) } });
    organization = await app.founded('acme');
    await connectLinear(app, organization, linear, acme);
  });
  afterAll(async () => {
    await app.close();
    await linear.close();
  });

  const received = async (): Promise<unknown[]> => {
    const { rows } = await withClient(app.database.ownerUrl, (client) =>
      client.query<{ id: string; action: string; body: string }>(
        'SELECT delivery_id AS id, action, body FROM delivery WHERE organization_id = $1 ORDER BY id',
        [organization.id],
      ),
    );
    return rows.map(({ id, action }) => [id, action]);
  };
  const look = async (): Promise<void> => {
    await app.app.get(Recoveries, { strict: false }).run(never);
    clock.advance(60_000);
  };

  it('is found by its open sessions, each once, and what was heard is left alone', async () => {
    const ann = acme.addUser({ email: 'ann@example.com' });
    const [team] = acme.teams.values();
    const begin = async () =>
      (await linear.delegate(acme, acme.addIssue(team?.id ?? '', { title: 'A' }), ann)).session;
    const [missed, heard] = [await begin(), await begin()];
    await withClient(app.database.ownerUrl, async (client) => {
      const [at, conversation] = [new Date(), app.world.ids.next()];
      const ours = { organization_id: organization.id, system: 'linear', created_at: at, updated_at: at };
      const key = `session/${heard.id}`;
      await insertRow(client, 'conversation', {
        ...{ ...ours, id: conversation, key, url: '', subject: {}, state: 'open', made: {} },
      });
      await insertRow(client, 'ask', {
        ...{ ...ours, id: app.world.ids.next(), key, conversation_id: conversation },
        ...{ state: 'taken', outcome: 'started', decision: {} },
      });
    });
    await look();
    expect(await received()).toEqual([[`missed/session/${missed.id}`, 'created']]);
    await look();
    await look();
    expect(await received()).toHaveLength(1);
  });

  it('is found where it was written a moment after its session began', async () => {
    const ann = acme.addUser({ email: 'eve@example.com' });
    const [team] = acme.teams.values();
    const { session } = await linear.delegate(acme, acme.addIssue(team?.id ?? '', { title: 'A' }), ann);
    await linear.prompt(acme, session, ann, 'And a label.');
    const [activity] = acme.activitiesOf(session.id);
    const before = (await received()).length;
    await look();
    expect(await received()).toHaveLength(before + 2);
    expect(await received()).toContainEqual([`missed/activity/${activity?.id ?? ''}`, 'prompted']);
  });

  it('is found where it is more than one look may read', async () => {
    const ann = acme.addUser({ email: 'bea@example.com' });
    const [team] = acme.teams.values();
    const before = (await received()).length;
    const begin = async () =>
      (await linear.delegate(acme, acme.addIssue(team?.id ?? '', { title: 'A' }), ann)).session;
    const missed = await begin();
    // A look reads twenty pages of twenty-five, the ones changed last first: of these, which are old and of which nothing was missed.
    for (let at = 0; at < 20 * 25; at++) {
      const session = await begin();
      session.createdAt = new Date(0);
      session.updatedAt = new Date(missed.updatedAt.getTime() + 1 + at);
    }
    await look();
    expect(await received()).toHaveLength(before);
    await look();
    expect(await received()).toHaveLength(before + 1);
    expect(await received()).toContainEqual([`missed/session/${missed.id}`, 'created']);
  });
});
