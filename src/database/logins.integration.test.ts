import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import {
  asSuperuser,
  createEmptyDatabase,
  createTestDatabase,
  withDatabase,
} from '../../test/support/postgres.js';
import { silentLog } from '../kernel/index.js';
import { assertRuntimeLogin, ensureGroupRoles, ensureLogins } from './logins.js';
import { migrate, withConnection } from './migrator.js';

const rows = <T extends object>(url: string, sql: string): Promise<T[]> =>
  withConnection(url, async (client) => (await client.query<T>(sql)).rows);

describe('the run-time logins', () => {
  let empty: string;
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>;

  beforeAll(async () => {
    empty = await mkdtemp(path.join(os.tmpdir(), 'berth-no-migrations-'));
  });
  afterAll(() => rm(empty, { recursive: true }));
  beforeEach(async () => {
    database = await createEmptyDatabase();
  });
  afterEach(() => database.drop());

  const migrated = async (ownerUrl = database.ownerUrl): Promise<void> => {
    await ensureGroupRoles(ownerUrl);
    await migrate({ ownerUrl, migrationsDirectory: empty, log: silentLog });
  };

  it('are the same for every replica, however many start at once', async () => {
    await Promise.all([ensureGroupRoles(database.ownerUrl), ensureGroupRoles(database.ownerUrl)]);
    await migrated();
    const { ownerUrl } = database;
    const [first, ...others] = await Promise.all([
      ensureLogins({ ownerUrl }),
      ensureLogins({ ownerUrl }),
      ensureLogins({ ownerUrl }),
    ]);
    expect(others).toEqual([first, first]);
    expect(await ensureLogins({ ownerUrl })).toEqual(first);

    for (const [purpose, url] of [
      ['app', first.appUrl],
      ['system', first.systemUrl],
      ['queue', first.queueUrl],
    ] as const) {
      expect(await rows(url, 'SELECT session_user::text AS name')).toEqual([
        { name: expect.stringMatching(new RegExp(`^berth_[0-9a-f]{8}_${purpose}$`)) as string },
      ]);
      expect(
        await rows(
          url,
          `SELECT pg_has_role('berth_app', 'USAGE') AS app, pg_has_role('berth_system', 'USAGE') AS system, pg_has_role('berth_queue', 'USAGE') AS queue`,
        ),
      ).toEqual([{ app: purpose === 'app', system: purpose === 'system', queue: purpose === 'queue' }]);
      await assertRuntimeLogin(url);
    }
  });

  it('keep their passwords to themselves', async () => {
    await migrated();
    const { appUrl, systemUrl, queueUrl } = await ensureLogins(database);
    for (const url of [appUrl, systemUrl, queueUrl]) {
      await expect(rows(url, 'SELECT * FROM berth_private.login')).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('give the queue its own schema, later tables too, and nothing else', async () => {
    await migrated();
    await rows(database.ownerUrl, 'CREATE TABLE public.tenant (id int)');
    const { queueUrl, appUrl } = await ensureLogins(database);
    await rows(database.ownerUrl, 'CREATE TABLE bullmq.later (id serial PRIMARY KEY)');

    await rows(queueUrl, 'INSERT INTO bullmq.later DEFAULT VALUES');
    expect(await rows(queueUrl, 'SELECT count(*)::int FROM bullmq.job')).toEqual([{ count: 0 }]);
    await expect(rows(queueUrl, 'SELECT * FROM public.tenant')).rejects.toMatchObject({ code: '42501' });
    // BullMQ makes a sequence for each queue with its own login; a later start must not stumble over what is not the owner's.
    await rows(queueUrl, 'CREATE SEQUENCE bullmq.of_a_queue');
    await ensureLogins(database);
    await expect(rows(queueUrl, 'CREATE TABLE public.mine (id int)')).rejects.toMatchObject({
      code: '42501',
    });
    await expect(rows(appUrl, 'SELECT * FROM bullmq.job')).rejects.toMatchObject({ code: '42501' });
  });

  it('of one database do not open another', async () => {
    await migrated();
    const { appUrl } = await ensureLogins(database);
    await expect(rows(withDatabase(appUrl, 'postgres'), 'SELECT 1')).rejects.toMatchObject({
      code: 'config-invalid',
    });
  });

  it('heal when the roles or their passwords are not those of the table', async () => {
    await migrated();
    const before = await ensureLogins(database);
    const role = new URL(before.appUrl).username;
    await asSuperuser((client) => client.query(`ALTER ROLE ${role} PASSWORD 'of another backup'`));
    expect(await ensureLogins(database)).toEqual(before);
    await asSuperuser((client) => client.query(`DROP ROLE ${role}`));
    expect(await ensureLogins(database)).toEqual(before);
    await rows(database.ownerUrl, 'TRUNCATE berth_private.login');
    const after = await ensureLogins(database);
    expect(new URL(after.appUrl).username).toBe(role);
    expect(after.appUrl).not.toBe(before.appUrl);
    await assertRuntimeLogin(after.appUrl);
  });

  it('are refused before the migrations', async () => {
    await ensureGroupRoles(database.ownerUrl);
    await expect(ensureLogins(database)).rejects.toMatchObject({ code: 'migration-mismatch' });
  });

  it('cannot be made by an owner without rights on the groups, who is told what to do', async () => {
    const name = `stranger_${randomBytes(4).toString('hex')}`;
    await asSuperuser((client) => client.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD 'secret'`));
    const databaseName = new URL(database.ownerUrl).pathname.slice(1);
    await asSuperuser((client) => client.query(`ALTER DATABASE ${databaseName} OWNER TO ${name}`));
    const url = new URL(database.ownerUrl);
    [url.username, url.password] = [name, 'secret'];
    await migrated(url.toString());
    await expect(ensureLogins({ ownerUrl: url.toString() })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('WITH ADMIN OPTION') as string,
    });

    await asSuperuser((client) =>
      client.query(`GRANT berth_app, berth_system, berth_queue TO ${name} WITH ADMIN OPTION`),
    );
    await assertRuntimeLogin((await ensureLogins({ ownerUrl: url.toString() })).appUrl);
    await asSuperuser((client) => client.query(`ALTER ROLE ${name} NOCREATEROLE`));
  });
});

describe('assertRuntimeLogin', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const login = async (attributes: string): Promise<string> => {
    const name = `login_${randomBytes(4).toString('hex')}`;
    await asSuperuser(async (client) => {
      await client.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret' IN ROLE berth_app`);
      if (attributes !== '') await client.query(attributes.replaceAll('NAME', name));
    });
    const url = new URL(database.ownerUrl);
    [url.username, url.password] = [name, 'secret'];
    return url.toString();
  };

  it('takes the logins that Berth makes, and a plain member of a group', async () => {
    for (const url of [database.appUrl, database.systemUrl, database.queueUrl, await login('')]) {
      await expect(assertRuntimeLogin(url)).resolves.toBeUndefined();
    }
  });

  it.each([
    ['a superuser', 'ALTER ROLE NAME SUPERUSER', 'superuser'],
    ['a login with BYPASSRLS', 'ALTER ROLE NAME BYPASSRLS', 'BYPASSRLS'],
    ['a login that makes roles', 'ALTER ROLE NAME CREATEROLE', 'CREATEROLE'],
    ['a member of a superuser', 'GRANT postgres TO NAME', 'superuser'],
  ])('refuses %s', async (_who, attributes, word) => {
    const url = await login(attributes);
    const error = { code: 'config-invalid', message: expect.stringContaining(word) as string };
    await expect(assertRuntimeLogin(url)).rejects.toMatchObject(error);
  });

  it('refuses the owner of the tables', async () => {
    await asSuperuser((client) =>
      client.query('CREATE ROLE plain_owner LOGIN PASSWORD $$secret$$ IN ROLE berth_app'),
    );
    await withConnection(database.ownerUrl, async (client) => {
      await client.query('GRANT CREATE ON SCHEMA public TO plain_owner');
    });
    const url = new URL(database.ownerUrl);
    [url.username, url.password] = ['plain_owner', 'secret'];
    await rows(url.toString(), 'CREATE TABLE public.owned (id int)');
    await expect(assertRuntimeLogin(url.toString())).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('owner') as string,
    });
  });
});
