import { escapeIdentifier, type Client } from 'pg';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { columnsOf, withClient } from '../../test/support/tables.js';
import { fillTenantTables } from '../../test/support/tenant-rows.js';
import { systemIds } from '../kernel/index.js';

const DENIED = { code: '42501' };

/** Runs `work` as the app does: in a transaction with this organization set, or with none. Nothing of it stays. */
async function asApp<T>(organizationId: string | null, work: (client: Client) => Promise<T>): Promise<T> {
  return withClient(berth.database.appUrl, async (client) => {
    await client.query('BEGIN');
    if (organizationId !== null)
      await client.query(`SELECT set_config('berth.org', $1, true)`, [organizationId]);
    return work(client);
  });
}

/** How many rows a query finds, or that it may not ask. */
async function count(client: Client, table: string, where = 'true'): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${escapeIdentifier(table)} WHERE ${where}`,
  );
  return rows[0]?.n ?? -1;
}

let berth: TestApp;
let acme: TestOrganization;
let other: TestOrganization;
/** Every table whose rows belong to an organization, as the database itself tells: a new one is tested without being named here. */
let tenantTables: string[];

beforeAll(async () => {
  berth = await startTestApp();
  [acme, other] = [await berth.founded('acme'), await berth.founded('other')];
  tenantTables = (await columnsOf(berth.database.ownerUrl, ['public']))
    .filter(({ column }) => column === 'organization_id')
    .map(({ table }) => table);
  for (const organization of [acme, other]) await fillTenantTables(berth.database.ownerUrl, organization);
});
afterAll(() => berth.close());

/** Tables without row-level security, or where the app's rights and policies do not go together; also after `forgotten` was made and treated so. */
async function unguarded(treatment?: string): Promise<string[]> {
  return withClient(berth.database.ownerUrl, async (client) => {
    // Never committed.
    await client.query('BEGIN');
    if (treatment) await client.query(`CREATE TABLE forgotten (organization_id uuid); ${treatment}`);
    const { rows } = await client.query<{ table: string }>(
      `SELECT c.relname AS "table" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> '_prisma_migrations'
          AND (NOT c.relrowsecurity OR has_any_column_privilege('berth_app', c.oid, 'SELECT, INSERT, UPDATE')
               <> EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 'berth_app'::regrole = ANY (p.polroles)))`,
    );
    return rows.map(({ table }) => table);
  });
}

describe('row-level security', () => {
  it('is on for every table in public, with a policy for the app wherever it has a right', async () => {
    expect(await unguarded()).toEqual([]);
    // A table that somebody forgets is found, with the right alone and with the switch alone.
    expect(await unguarded('GRANT SELECT ON forgotten TO berth_app')).toEqual(['forgotten']);
    expect(
      await unguarded(
        'ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON forgotten TO berth_app USING (true)',
      ),
    ).toEqual(['forgotten']);
  });

  it('lets no policy of the app through but that of the organization that is set', async () => {
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query<{ tablename: string; qual: string | null; with_check: string | null }>(
        `SELECT tablename, qual, with_check FROM pg_policies WHERE schemaname = 'public' AND roles && ARRAY['berth_app', 'public']::name[]`,
      ),
    );
    const scoped = rows.filter(({ tablename }) => tenantTables.includes(tablename));
    // One each: policies add up, so that a second one could only open what the first one closes.
    expect(scoped.map(({ tablename }) => tablename).sort()).toEqual([...tenantTables].sort());
    for (const { qual, with_check } of scoped)
      expect([qual, with_check]).toEqual(Array(2).fill('(organization_id = berth_organization())'));
  });

  it('shows the organization that is set its own rows, in every table', async () => {
    await asApp(acme.id, async (client) => {
      for (const table of tenantTables) {
        expect([table, await count(client, table)]).toEqual([
          table,
          await count(client, table, `organization_id = '${acme.id}'`),
        ]);
        expect([table, (await count(client, table)) > 0]).toEqual([table, true]);
      }
    });
  });

  it.each<[string, () => string | null]>([
    ['no organization', () => null],
    ['an empty setting', () => ''],
    ['another organization', () => other.id],
    ['an organization that does not exist', () => systemIds.next()],
  ])('shows nothing of an organization with %s set', async (_, setting) => {
    await asApp(setting(), async (client) => {
      for (const table of tenantTables) {
        expect([table, await count(client, table, `organization_id = '${acme.id}'`)]).toEqual([table, 0]);
      }
      expect(await count(client, 'organization', `id = '${acme.id}'`)).toBe(0);
      expect(await count(client, 'user', `id = '${acme.owner.userId}'`)).toBe(0);
    });
  });

  it('shows nothing at all with none set', async () => {
    await asApp(null, async (client) => {
      for (const table of [...tenantTables, 'organization', 'user'])
        expect([table, await count(client, table)]).toEqual([table, 0]);
    });
  });

  it('refuses a setting that is no id', async () => {
    await expect(
      asApp(`${acme.id}' or true --`, (client) => count(client, 'workspace')),
    ).rejects.toMatchObject({ code: '22P02' });
  });

  it('forgets the organization with the transaction, also on a pooled connection', async () => {
    await withClient(berth.database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT set_config('berth.org', $1, true)`, [acme.id]);
      expect(await count(client, 'workspace')).toBe(1);
      await client.query('COMMIT');
      expect(await count(client, 'workspace')).toBe(0);
    });
    // As the app's own pool does it, many at once.
    const seen = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        berth.parts.database.tenant(at % 2 ? acme.id : other.id, async ({ db, organizationId }) => {
          const rows = await db.workspace.findMany({ select: { organizationId: true } });
          return rows.every((row) => row.organizationId === organizationId) && rows.length === 1;
        }),
      ),
    );
    expect(seen).toEqual(Array(30).fill(true));
  });

  it('refuses to write a row of another organization, in every table', async () => {
    for (const table of tenantTables) {
      const columns = (await columnsOf(berth.database.ownerUrl, ['public'])).filter(
        (column) => column.table === table,
      );
      const list = columns.map(({ column }) => escapeIdentifier(column));
      // A copy of a row that is the other's: the policy is asked before any key is.
      const row = await withClient(berth.database.ownerUrl, (client) =>
        client.query<Record<string, unknown>>(
          `SELECT ${list.join(', ')} FROM ${escapeIdentifier(table)} WHERE organization_id = $1 LIMIT 1`,
          [other.id],
        ),
      );
      const values = columns.map(({ column }) => row.rows[0]?.[column]);
      const insert = `INSERT INTO ${escapeIdentifier(table)} (${list.join(', ')}) VALUES (${values.map((_, at) => `$${at + 1}`).join(', ')})`;
      const refusal = asApp(acme.id, (client) => client.query(insert, values));
      // Where the app has no right to add at all, that says no first.
      const mayAdd = table !== 'audit_head';
      await expect(refusal).rejects.toMatchObject({
        ...DENIED,
        message: expect.stringContaining(mayAdd ? 'row-level security' : 'permission denied') as string,
      });
    }
  });

  it('changes and deletes nothing of another organization, and gives no row away', async () => {
    await asApp(acme.id, async (client) => {
      for (const table of tenantTables) {
        for (const statement of [
          `UPDATE ${escapeIdentifier(table)} SET organization_id = organization_id`,
          `DELETE FROM ${escapeIdentifier(table)}`,
        ]) {
          await client.query('SAVEPOINT before');
          const touched = await client
            .query(`${statement} WHERE organization_id = $1`, [other.id])
            .then(({ rowCount }) => rowCount)
            .catch((error: unknown) => (error as { code: string }).code);
          expect([statement, touched === 0 || touched === '42501']).toEqual([statement, true]);
          await client.query('ROLLBACK TO before');
        }
      }
      await expect(
        client.query('UPDATE workspace SET organization_id = $1', [other.id]),
      ).rejects.toMatchObject(DENIED);
    });
  });

  it('keeps receipts, events and the audit log as they were written', async () => {
    for (const statement of [
      'UPDATE audit_entry SET action = action',
      'DELETE FROM audit_entry',
      'TRUNCATE audit_entry',
      'UPDATE audit_head SET seq = seq + 1',
      'DELETE FROM audit_head',
      'TRUNCATE audit_head',
      'UPDATE receipt SET reason = reason',
      'DELETE FROM receipt',
      'UPDATE event SET type = type',
      'DELETE FROM event',
    ]) {
      await expect(asApp(acme.id, (client) => client.query(statement))).rejects.toMatchObject(DENIED);
    }
  });

  it('shows only persons who are members', async () => {
    const { rows } = await asApp(acme.id, (client) => client.query<{ id: string }>('SELECT id FROM "user"'));
    expect(rows.map(({ id }) => id)).toEqual([acme.owner.userId]);
  });

  it('the system login sees all organizations in what it may see', async () => {
    const { rows } = await withClient(berth.database.systemUrl, (client) =>
      client.query<{ id: string }>('SELECT id FROM workspace'),
    );
    expect(rows).toHaveLength(2);
  });
});
