import { startDyingPostgres } from '../../test/support/dying-postgres.js';
import {
  asSuperuser,
  createTestDatabase,
  withDatabase,
  type TestDatabase,
} from '../../test/support/postgres.js';
import { withClient } from '../../test/support/tables.js';
import { systemIds } from '../kernel/index.js';
import { Database, isUnavailable, isUniqueViolation } from './database.js';
import { SystemStore } from './system.store.js';
import type { Tenant } from './unit.js';

const thrownBy = (work: () => Promise<unknown>): Promise<unknown> =>
  work().then(
    () => 'nothing',
    (error: unknown) => error,
  );

/** Goes to the connection without Prisma. */
const receive = (store: SystemStore): Promise<unknown> =>
  store.deliveries.receive({
    id: systemIds.next(),
    ...{ system: 'github', deliveryId: systemIds.next(), event: 'ping', action: null, tenant: null },
    known: { state: 'received', outcome: null, body: '{}' },
    unknown: { state: 'processed', outcome: 'nobody’s' },
    receivedAt: new Date(),
  });

describe('isUnavailable', () => {
  it('is of a server that is not there', async () => {
    const database = new Database('postgres://nobody:x@127.0.0.1:1/nothing');
    const store = new SystemStore('postgres://nobody:x@127.0.0.1:1/nothing');
    expect(isUnavailable(await thrownBy(() => database.ping()))).toBe(true);
    expect(
      isUnavailable(await thrownBy(() => database.tenant(systemIds.next(), () => Promise.resolve()))),
    ).toBe(true);
    expect(isUnavailable(await thrownBy(() => store.isFirstRun()))).toBe(true);
    expect(isUnavailable(await thrownBy(() => receive(store)))).toBe(true);
    await Promise.all([database.close(), store.close()]);
  });

  it('is of a connection that ends in the middle, and of one that is refused; then it works again', async () => {
    const test = await createTestDatabase();
    const [database, store] = [new Database(test.appUrl), new SystemStore(test.systemUrl)];
    const name = new URL(test.ownerUrl).pathname.slice(1);
    const allow = (allowed: boolean) =>
      asSuperuser((client) => client.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS ${allowed}`));
    const cut = () =>
      asSuperuser((client) =>
        client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]),
      );
    const cutInside = () =>
      database.tenant(systemIds.next(), async ({ db }) => {
        await db.workspace.count();
        await cut();
        await db.workspace.count();
      });
    expect(isUnavailable(await thrownBy(cutInside))).toBe(true);
    await allow(false);
    await cut();
    expect(isUnavailable(await thrownBy(() => store.isFirstRun()))).toBe(true);
    expect(isUnavailable(await thrownBy(() => receive(store)))).toBe(true);
    await allow(true);
    expect(await store.isFirstRun()).toBe(true);
    expect(await receive(store)).toMatchObject({ organizationId: null, state: 'processed' });
    await Promise.all([database.close(), store.close()]);
    await test.drop();
  });

  it('is of a connection that ends as soon as it is there, which ends nothing else', async () => {
    const dying = await startDyingPostgres();
    const [database, store] = [new Database(dying.url), new SystemStore(dying.url)];
    expect(
      isUnavailable(await thrownBy(() => database.tenant(systemIds.next(), () => Promise.resolve()))),
    ).toBe(true);
    expect(isUnavailable(await thrownBy(() => store.isFirstRun()))).toBe(true);
    expect(isUnavailable(await thrownBy(() => receive(store)))).toBe(true);
    await Promise.all([database.close(), store.close(), dying.close()]);
  });

  it('is of a database that is gone', async () => {
    const test = await createTestDatabase();
    await test.drop();
    const database = new Database(withDatabase(test.appUrl, 'no_such_database'));
    expect(isUnavailable(await thrownBy(() => database.ping()))).toBe(true);
    await database.close();
  });

  describe('for a row that another holds', () => {
    const id = systemIds.next();
    let test: TestDatabase;
    let database: Database;
    beforeAll(async () => {
      test = await createTestDatabase();
      database = new Database(test.appUrl, undefined, undefined, { waitMs: 200, idleMs: 400 });
      await withClient(test.ownerUrl, (client) =>
        client.query(`INSERT INTO organization VALUES ($1, 'acme', 'Acme', now())`, [id]),
      );
    });
    afterAll(async () => {
      await database.close();
      await test.drop();
    });

    const hold = (db: Tenant['db']) =>
      db.$queryRaw`select 1 from organization where id = ${id}::uuid for update`;
    const held = 'SELECT 1 FROM organization WHERE id = $1 FOR UPDATE';

    it('it is of who waits for too long, who keeps no connection', async () => {
      await withClient(test.ownerUrl, async (client) => {
        await client.query('BEGIN');
        await client.query(held, [id]);
        const change = (db: Tenant['db']) =>
          db.organization.updateMany({ where: { id }, data: { name: 'x' } });
        // More than there are connections.
        const waiting = Array.from({ length: 12 }, (_, n) =>
          thrownBy(() =>
            database.tenant(id, async ({ db }) => {
              await (n % 2 ? hold(db) : change(db));
            }),
          ),
        );
        const thrown = await Promise.all(waiting);
        expect(thrown.map(isUnavailable)).toEqual(Array.from(thrown, () => true));
        await database.ping();
      });
    });

    it('it is of who holds it and says nothing, and others get it', async () => {
      const stopped = database.tenant(id, async ({ db }) => {
        await hold(db);
        await withClient(test.ownerUrl, (client) => client.query(held, [id]));
        await db.organization.count();
      });
      expect(isUnavailable(await thrownBy(() => stopped))).toBe(true);
    });
  });

  it('is not of a query that is wrong, nor of what is no error of the database', async () => {
    const test = await createTestDatabase();
    const database = new Database(test.appUrl);
    const broken = await thrownBy(() => database.tenant('no id', ({ db }) => db.workspace.count()));
    expect(broken).toBeInstanceOf(Error);
    expect(isUnavailable(broken)).toBe(false);
    expect(isUniqueViolation(broken)).toBe(false);
    for (const thrown of [new Error('x'), null, undefined, 'P1001', { code: 'P2002' }, { meta: null }])
      expect(isUnavailable(thrown)).toBe(false);
    await database.close();
    await test.drop();
  });
});
