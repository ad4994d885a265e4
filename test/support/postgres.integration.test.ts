import { asSuperuser, createTestDatabase, type TestDatabase } from './postgres.js';
import { eventually, query } from './embedded-processes.js';

describe('createTestDatabase', () => {
  const databases: TestDatabase[] = [];
  afterEach(async () => {
    for (const database of databases.splice(0)) await database.drop();
  });

  it('gives each caller a migrated database of its own, however many ask at once', async () => {
    databases.push(...(await Promise.all([1, 2, 3, 4].map(() => createTestDatabase()))));
    const [first, ...others] = databases;
    await query(first?.ownerUrl ?? '', 'CREATE TABLE mine (id int)');
    for (const { ownerUrl } of others) {
      expect(
        await query(
          ownerUrl,
          `SELECT to_regclass('mine') AS mine, to_regclass('organization') IS NOT NULL AS migrated`,
        ),
      ).toEqual([{ mine: null, migrated: true }]);
    }
  });

  it('lets the three logins in and shuts PUBLIC out', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    for (const url of [database.appUrl, database.systemUrl, database.queueUrl]) {
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    }
    expect(await query(database.queueUrl, 'SELECT count(*)::int FROM bullmq.job')).toEqual([{ count: 0 }]);
    expect(
      await query(
        database.ownerUrl,
        `SELECT count(*)::int FROM pg_database, aclexplode(datacl) a
         WHERE datname = current_database() AND a.grantee = 0 AND a.privilege_type = 'CONNECT'`,
      ),
    ).toEqual([{ count: 0 }]);
  });

  it('is gone after drop, with whoever is still connected', async () => {
    const database = await createTestDatabase();
    const name = new URL(database.ownerUrl).pathname.slice(1);
    const waiting = expect(query(database.appUrl, 'SELECT pg_sleep(60)')).rejects.toMatchObject({
      code: '57P01',
    });
    await asSuperuser(async (client) => {
      await eventually(async () => {
        const active = `SELECT FROM pg_stat_activity WHERE datname = $1 AND state = 'active'`;
        return (await client.query(active, [name])).rowCount === 1 ? true : undefined;
      });
    });
    await database.drop();
    await waiting;
    await expect(query(database.ownerUrl, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });
});
