import { withConnection } from './migrator.js';

export { pendingMigrations as inspectMigrations } from './migrator.js';

/** What a server and a login on it are, without changing anything. */
export interface DatabaseFacts {
  /** As the server names it, for example 16.4. */
  version: string;
  /** For example 160004. */
  versionNumber: number;
  /** The login, and whether it may do what the first start does: make roles, schemas and tables. */
  login: string;
  mayCreateRoles: boolean;
  mayCreateSchemas: boolean;
  mayCreateTables: boolean;
  /** A standby takes no writes. */
  isReadOnly: boolean;
  /** Whether the schema of the job queue is there. */
  hasQueue: boolean;
  /** The id of this Berth's database; null for one that Berth never saw, or where the login may not read it. */
  instanceId: string | null;
}

/** Looks at a server. Throws `database-unavailable` or `config-invalid` as `withConnection` does. */
export function inspectDatabase(ownerUrl: string): Promise<DatabaseFacts> {
  return withConnection(ownerUrl, async (client) => {
    const { rows } = await client.query<Omit<DatabaseFacts, 'instanceId'> & { known: boolean }>(
      `SELECT current_setting('server_version') AS version,
              current_setting('server_version_num')::int AS "versionNumber",
              current_user AS login,
              (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) AS "mayCreateRoles",
              has_database_privilege(current_database(), 'CREATE') AS "mayCreateSchemas",
              has_schema_privilege('public', 'CREATE') AS "mayCreateTables",
              pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS "isReadOnly",
              to_regnamespace('bullmq') IS NOT NULL AS "hasQueue",
              COALESCE((SELECT has_table_privilege(oid, 'SELECT') FROM pg_class WHERE oid = to_regclass('public.instance')), false) AS known`,
    );
    const row = rows[0];
    if (row === undefined) throw new Error('the server answered nothing');
    const { known, ...facts } = row;
    const found = known ? await client.query<{ id: string }>('SELECT id FROM instance LIMIT 1') : null;
    return { ...facts, instanceId: found?.rows[0]?.id ?? null };
  });
}
