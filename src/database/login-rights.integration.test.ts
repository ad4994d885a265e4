import { escapeIdentifier } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { columnsOf, withClient } from '../../test/support/tables.js';

const DENIED = { code: '42501' };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('logins', () => {
  it.each<[string, string]>([
    ['sessions', 'SELECT 1 FROM session'],
    ['sealing keys', 'SELECT 1 FROM sealing_key'],
    ['keys that Berth signs with', 'SELECT 1 FROM issuer_key'],
    ['password hashes', 'SELECT password_hash FROM "user"'],
    ['whole persons', 'SELECT * FROM "user"'],
    ['who administers the instance', 'SELECT instance_administrator FROM "user"'],
    ['migrations', 'SELECT 1 FROM _prisma_migrations'],
    ['its own passwords', 'SELECT 1 FROM berth_private.login'],
    ['jobs', 'SELECT 1 FROM bullmq.bullmq_job'],
  ])('the app may not read %s', async (_, query) => {
    await expect(withClient(database.appUrl, (client) => client.query(query))).rejects.toMatchObject(DENIED);
  });

  it.each<[string, string]>([
    ['sealed credentials', 'SELECT sealed FROM credential'],
    ['credentials', 'SELECT 1 FROM credential WHERE hint IS NOT NULL'],
    ['messages', 'SELECT 1 FROM message'],
    ['events', 'SELECT 1 FROM event'],
    ['turns', 'SELECT 1 FROM turn'],
    ['receipts', 'SELECT 1 FROM receipt'],
    ['leases', 'SELECT 1 FROM lease'],
    ['operations', 'SELECT 1 FROM operation'],
    ["a workspace's repository", 'SELECT repository FROM workspace'],
    ['its own passwords', 'SELECT 1 FROM berth_private.login'],
  ])('the system login may not read %s', async (_, query) => {
    await expect(withClient(database.systemUrl, (client) => client.query(query))).rejects.toMatchObject(
      DENIED,
    );
  });

  it.each([
    'UPDATE workspace SET state = state',
    'DELETE FROM member',
    'UPDATE api_key SET hash = hash',
    'DELETE FROM "user"',
    'UPDATE "user" SET instance_administrator = true',
    'UPDATE issuer_key SET public_jwk = public_jwk',
    'UPDATE issuer_key SET signs_from = signs_from',
  ])('the system login may not %s', async (statement) => {
    await expect(withClient(database.systemUrl, (client) => client.query(statement))).rejects.toMatchObject(
      DENIED,
    );
  });

  it("the queue's login can see nothing in public", async () => {
    await withClient(database.queueUrl, async (client) => {
      const tables = new Set((await columnsOf(database.ownerUrl, ['public'])).map(({ table }) => table));
      for (const table of tables) {
        await expect(client.query(`SELECT 1 FROM public.${escapeIdentifier(table)}`)).rejects.toMatchObject(
          DENIED,
        );
      }
      await expect(client.query('SELECT 1 FROM berth_private.login')).rejects.toMatchObject(DENIED);
      await expect(client.query('SELECT public.berth_organization()')).rejects.toMatchObject(DENIED);
    });
  });

  it.each(['appUrl', 'systemUrl', 'queueUrl'] as const)(
    '%s cannot take another role or make anything in public',
    async (url) => {
      await withClient(database[url], async (client) => {
        for (const statement of [
          'SET ROLE berth',
          'SET SESSION AUTHORIZATION berth',
          'CREATE TABLE public.mine (a int)',
          'CREATE ROLE mine',
          'ALTER TABLE public.workspace DISABLE ROW LEVEL SECURITY',
        ]) {
          await expect(client.query(statement)).rejects.toMatchObject(DENIED);
        }
        // Turning it off does not show the rows: it makes the query an error.
        await client.query('SET row_security = off');
        await expect(client.query('SELECT id FROM public.workspace')).rejects.toMatchObject(DENIED);
      });
    },
  );
});
