import { Client, escapeIdentifier } from 'pg';

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  // A connection that the end of a test throws out is no failure of the test.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One column of a table. */
export interface Column {
  schema: string;
  table: string;
  column: string;
  /** As information_schema names it: `text`, `jsonb`, `uuid`, … */
  type: string;
}

/** Every column of every table in these schemas, as the login of `url` (the owner) sees them. */
export function columnsOf(url: string, schemas: readonly string[]): Promise<Column[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<Column>(
      `SELECT c.table_schema AS schema, c.table_name AS "table", c.column_name AS "column", c.data_type AS type
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE t.table_type = 'BASE TABLE' AND c.table_schema = ANY ($1)
        ORDER BY 1, 2, c.ordinal_position`,
      [schemas],
    );
    return rows;
  });
}

/** How many rows each table in `public` holds; but for the audit log, to which each refusal adds beside its answer. */
export async function rowCounts(ownerUrl: string): Promise<Record<string, number>> {
  const tables = Object.entries(await contents(ownerUrl)).filter(([table]) => !table.startsWith('audit_'));
  return Object.fromEntries(tables.map(([table, { count }]) => [table, count]));
}

/**
 * By database: the query of `contents`, and a connection for it, which ends with the database. The catalog is slow to ask, also for the server when it plans the query on a new
 * connection; and a test makes no tables in `public`.
 */
const looking = new Map<string, Promise<{ client: Client; query: string }>>();

/** What each table in `public` holds: how many rows, and a digest of them to the last column. In one query, as of one moment. */
export async function contents(ownerUrl: string): Promise<Record<string, { count: number; digest: string }>> {
  let looks = looking.get(ownerUrl);
  if (!looks) looking.set(ownerUrl, (looks = startLooking(ownerUrl)));
  const { client, query } = await looks;
  const { rows } = await client.query<{ table: string; count: number; digest: string }>(query);
  return Object.fromEntries(rows.map(({ table, count, digest }) => [table, { count, digest }]));
}

async function startLooking(ownerUrl: string): Promise<{ client: Client; query: string }> {
  const client = new Client({ connectionString: ownerUrl });
  client.on('error', () => looking.delete(ownerUrl));
  await client.connect();
  // Not of information_schema, whose views take the server a tenth of a second.
  const { rows } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  );
  const looks = rows.map(
    ({ name }) =>
      `SELECT '${name}' AS "table", count(*)::int AS count, coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS digest
         FROM public.${escapeIdentifier(name)} t`,
  );
  return { client, query: looks.join(' UNION ALL ') };
}
