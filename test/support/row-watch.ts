import { escapeIdentifier } from 'pg';
import { columnsOf, withClient } from './tables.js';

const SCHEMA = 'watch';

/**
 * From now on keeps every row of every table in these schemas as it was each time it was written: what a row held for a moment (a job that is done, a credential that was replaced) is
 * found too. In a schema of its own, which `findInDatabase` searches like the others. By the owner of the database.
 */
export async function watchRows(ownerUrl: string, schemas: readonly string[]): Promise<void> {
  const columns = await columnsOf(ownerUrl, schemas);
  const tables = new Set(
    columns.map(({ schema, table }) => `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`),
  );
  await withClient(ownerUrl, async (client) => {
    await client.query(`CREATE SCHEMA ${SCHEMA}`);
    await client.query(`CREATE TABLE ${SCHEMA}.written (of text NOT NULL, held text NOT NULL)`);
    // With the rights of the owner, since whoever writes has none here.
    await client.query(
      `CREATE FUNCTION ${SCHEMA}.keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN INSERT INTO ${SCHEMA}.written VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, NEW::text); RETURN NULL; END $$`,
    );
    for (const table of tables)
      await client.query(
        `CREATE TRIGGER zz_watch AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.keep()`,
      );
  });
}

/** How many rows of a table were written since then, and hold this text. */
export function writtenWith(ownerUrl: string, table: string, text: string): Promise<number> {
  return withClient(ownerUrl, async (client) => {
    const { rows } = await client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${SCHEMA}.written WHERE of LIKE $1 AND held LIKE '%' || $2 || '%'`,
      [table, text],
    );
    return rows[0]?.n ?? 0;
  });
}
