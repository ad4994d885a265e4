import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { writeConversation } from '../../test/support/conversations.js';
import { withClient } from '../../test/support/tables.js';
import { testCli, type TestCli } from './testing/test-cli.js';

/** `berth deliveries` and `berth conversations` on the real app. */

let app: TestApp;
let acme: TestOrganization;
let paused: string;
beforeAll(async () => {
  app = await startTestApp();
  acme = await app.founded('acme');
  const { ownerUrl } = app.database;
  paused = await writeConversation(ownerUrl, acme.id, {
    state: 'paused',
    state_reason: 'It went in circles.',
  });
  await withClient(ownerUrl, (client) =>
    client.query(
      `INSERT INTO delivery (id, organization_id, system, delivery_id, event, action, state, outcome, received_at)
       VALUES ($1, $2, 'github', 'one', 'issue_comment', 'created', 'processed', 'ignored-no-mention', now())`,
      [app.world.ids.next(), acme.id],
    ),
  );
});
afterAll(() => app.close());

const run = async (...args: string[]): Promise<TestCli & { code: number }> => {
  const cli = testCli(app.url, acme.owner.apiKey);
  const code = await cli.run(...args);
  return { ...cli, code };
};

describe('what other systems told', () => {
  it('is listed with what became of it', async () => {
    const { code, out } = await run('deliveries', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/github +issue_comment\.created +processed +ignored-no-mention/);
  });

  it('is heard again where it was paused, once somebody says so', async () => {
    expect((await run('conversations', 'list')).out).toMatch(/paused .*It went in circles\./);
    expect((await run('conversations', 'resume', paused)).code).toBe(0);
    const again = await run('conversations', 'resume', paused);
    expect(again.code).not.toBe(0);
    expect(again.err).toContain('Only a paused');
    const { out } = await run('conversations', 'list', '--json');
    expect(JSON.parse(out)).toMatchObject([{ id: paused, state: 'open', stateReason: null }]);
    const booked = await withClient(app.database.ownerUrl, (client) =>
      client.query(`SELECT 1 FROM audit_entry WHERE action = 'conversation.resumed' AND actor_id = $1`, [
        acme.owner.userId,
      ]),
    );
    expect(booked.rowCount).toBe(1);
  });
});
