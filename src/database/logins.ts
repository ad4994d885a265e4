import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { BerthError, Secret } from '../kernel/index.js';
import { scramVerifier } from './embedded/index.js';
import { sqlState, withConnection } from './migrator.js';

/** What a login is for: requests of one tenant; the listed functions that see all tenants; the job queue. */
export const loginPurposes = ['app', 'system', 'queue'] as const;
export type LoginPurpose = (typeof loginPurposes)[number];

/** URLs of the three run-time logins of one database. */
export interface LoginUrls {
  appUrl: string;
  systemUrl: string;
  queueUrl: string;
}

/** Advisory lock of this file; any number no other user of the database takes. */
const LOCK = 0x62_6c_6f_67;

/**
 * Makes the group roles `berth_app`, `berth_system` and `berth_queue`, which hold the rights, unless they are there. Comes before the
 * migrations, which grant to them. Throws `config-invalid` when the owner may not create roles.
 */
export async function ensureGroupRoles(ownerUrl: string): Promise<void> {
  await withConnection(ownerUrl, async (client) => {
    for (const purpose of loginPurposes) {
      const group = groupOf(purpose);
      if (!(await roleExists(client, group))) await createGroup(client, group);
    }
  });
}

async function createGroup(client: Client, group: string): Promise<void> {
  try {
    await client.query(`CREATE ROLE ${escapeIdentifier(group)} NOLOGIN`);
  } catch (error) {
    // Roles belong to the whole server: another replica, or the Berth of another database, was quicker.
    const code = sqlState(error);
    if (code === '42710' || code === '23505') return;
    if (code === '42501') throw mayNotCreateRoles(error);
    throw error;
  }
}

/**
 * Makes the three logins of this database unless they are there, gives them their rights and returns their URLs: the same for every
 * replica. Comes after `migrate`. Throws `config-invalid` when the owner lacks a right, `migration-mismatch` before `migrate`.
 */
export async function ensureLogins({ ownerUrl }: { ownerUrl: string }): Promise<LoginUrls> {
  return withConnection(ownerUrl, async (client) => {
    const logins = await inTransaction(client, async () => {
      await grantRights(client);
      return makeLogins(client);
    });
    const urls = loginUrls(ownerUrl, logins);
    for (const login of logins) await assertUsable(client, login, loginUrl(ownerUrl, login));
    return urls;
  });
}

/**
 * Refuses, with `config-invalid`, a login to which row-level security would not apply or which could give itself such a right: a
 * superuser, BYPASSRLS, CREATEROLE, the owner of tables in `public`, or a member of such a role.
 */
export async function assertRuntimeLogin(url: string): Promise<void> {
  const fault = await withConnection(url, async (client) => {
    // RESET ROLE undoes SET ROLE, so the login counts as well as the role it took.
    const { rows } = await client.query<{
      name: string;
      superuser: boolean;
      bypass: boolean;
      creator: boolean;
      owner: boolean;
    }>(
      `WITH me AS (SELECT DISTINCT unnest(ARRAY[session_user, current_user]) AS name),
            mine AS (SELECT r.* FROM pg_roles r WHERE EXISTS (SELECT FROM me WHERE pg_has_role(me.name, r.oid, 'MEMBER')))
       SELECT session_user AS name,
              EXISTS (SELECT FROM mine WHERE rolsuper) AS superuser,
              EXISTS (SELECT FROM mine WHERE rolbypassrls) AS bypass,
              EXISTS (SELECT FROM mine WHERE rolcreaterole) AS creator,
              EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN mine ON mine.oid = c.relowner
                       WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')) AS owner`,
    );
    const row = rows[0];
    if (row === undefined) return 'an unknown role';
    if (row.superuser) return `${row.name}, a superuser`;
    if (row.bypass) return `${row.name}, which has BYPASSRLS`;
    if (row.creator) return `${row.name}, which has CREATEROLE`;
    return row.owner ? `${row.name}, the owner of the tables` : null;
  });
  if (fault === null) return;
  throw new BerthError(
    'config-invalid',
    `Berth does not run as ${fault}: row-level security, which keeps tenants apart, would not apply. ` +
      'Let Berth make its logins (set DATABASE_URL alone), or give it logins that are only members of berth_app, berth_system and berth_queue.',
  );
}

interface Login {
  purpose: LoginPurpose;
  role: string;
  password: Secret;
}

/** One transaction under the lock: no replica sees half of the logins, and none makes them twice. */
async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const value = await work();
    await client.query('COMMIT');
    return value;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function makeLogins(client: Client): Promise<Login[]> {
  await client.query('CREATE SCHEMA IF NOT EXISTS berth_private');
  await client.query(
    `CREATE TABLE IF NOT EXISTS berth_private.login (purpose text PRIMARY KEY, role_name text NOT NULL, password text NOT NULL)`,
  );
  const logins: Login[] = [];
  for (const purpose of loginPurposes) logins.push(await makeLogin(client, purpose));
  return logins;
}

async function makeLogin(client: Client, purpose: LoginPurpose): Promise<Login> {
  // The server makes the password (244 random bits of its strong generator): as a parameter it could reach the server's log.
  const inserted = await client.query(
    `INSERT INTO berth_private.login (purpose, role_name, password)
     SELECT $1::text, 'berth_' || left(encode(sha256(convert_to(current_database(), 'UTF8')), 'hex'), 8) || '_' || $1::text,
            replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
     ON CONFLICT (purpose) DO NOTHING`,
    [purpose],
  );
  const { rows } = await client.query<{ role_name: string; password: string }>(
    'SELECT role_name, password FROM berth_private.login WHERE purpose = $1',
    [purpose],
  );
  const row = rows[0];
  if (row === undefined)
    throw new BerthError('internal', `The login for ${purpose} vanished from berth_private.login.`);
  const login = { purpose, role: row.role_name, password: new Secret(row.password) };
  try {
    // A role without its row is left over from a dropped database of the same name.
    if (!(await roleExists(client, login.role))) await createLogin(client, login);
    else if (inserted.rowCount === 1) await setPassword(client, login);
    await joinGroup(client, login);
  } catch (error) {
    if (sqlState(error) === '42501') throw mayNotManage(login, error);
    throw error;
  }
  return login;
}

async function createLogin(client: Client, { role, password }: Login): Promise<void> {
  await client.query(
    `CREATE ROLE ${escapeIdentifier(role)} LOGIN INHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE
     PASSWORD ${escapeLiteral(scramVerifier(password))}`,
  );
}

async function setPassword(client: Client, { role, password }: Login): Promise<void> {
  await client.query(
    `ALTER ROLE ${escapeIdentifier(role)} PASSWORD ${escapeLiteral(scramVerifier(password))}`,
  );
}

async function joinGroup(client: Client, { purpose, role }: Login): Promise<void> {
  const group = groupOf(purpose);
  const { rows } = await client.query<{ member: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = to_regrole($1) AND m.member = to_regrole($2)) AS member`,
    [escapeIdentifier(group), escapeIdentifier(role)],
  );
  // Only when missing: roles belong to the whole server, and an owner who may not grant need not be able to when all is in place.
  if (rows[0]?.member !== true) await client.query(`GRANT ${group} TO ${escapeIdentifier(role)}`);
}

/** Rights on the database and its schemas; those on tables are granted by the migrations. */
async function grantRights(client: Client): Promise<void> {
  const { rows } = await client.query<{
    database: string;
    owner: boolean;
    publicOwner: boolean;
    queue: boolean;
    connect: boolean;
  }>(
    `SELECT d.datname AS database, pg_has_role(d.datdba, 'USAGE') AS owner,
            COALESCE((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public'), false) AS "publicOwner",
            to_regnamespace('bullmq') IS NOT NULL AS queue,
            (SELECT bool_and(has_database_privilege(rolname, d.oid, 'CONNECT')) FROM pg_roles
              WHERE rolname IN ('berth_app', 'berth_system', 'berth_queue')) AS connect
       FROM pg_database d WHERE d.datname = current_database()`,
  );
  const state = rows[0];
  if (state?.queue !== true) {
    throw new BerthError(
      'migration-mismatch',
      'The database has no schema of the job queue yet. Run the migrations before the logins.',
    );
  }
  const database = escapeIdentifier(state.database);
  if (state.owner) {
    await client.query(`REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${database} TO berth_app, berth_system, berth_queue`);
  } else if (!state.connect) {
    throw new BerthError(
      'config-invalid',
      `The login of DATABASE_URL does not own the database. Let its owner run: GRANT CONNECT ON DATABASE ${database} TO berth_app, berth_system, berth_queue;`,
    );
  }
  if (state.publicOwner) {
    // CREATE, since BullMQ makes a sequence for each queue when its first job is added.
    // The queue's login has no business in public, where PUBLIC may look by default.
    await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
    await client.query('GRANT USAGE ON SCHEMA public TO berth_app, berth_system');
  }
  await grantQueue(client);
}

/** BullMQ pins search_path to its schema itself; the login needs rights there and nowhere else. */
async function grantQueue(client: Client): Promise<void> {
  await client.query(`
    GRANT USAGE, CREATE ON SCHEMA bullmq TO berth_queue;
    GRANT ALL ON ALL TABLES IN SCHEMA bullmq TO berth_queue;
    DO $$
    DECLARE
      name text;
    BEGIN
      -- Not ALL SEQUENCES: those of the queues belong to the queue's login, and the owner has nothing to give there.
      FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'bullmq' AND sequenceowner = current_user LOOP
        EXECUTE format('GRANT ALL ON SEQUENCE bullmq.%I TO berth_queue', name);
      END LOOP;
    END $$;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bullmq TO berth_queue;
    ALTER DEFAULT PRIVILEGES IN SCHEMA bullmq GRANT ALL ON TABLES TO berth_queue;
    ALTER DEFAULT PRIVILEGES IN SCHEMA bullmq GRANT ALL ON SEQUENCES TO berth_queue;
    ALTER DEFAULT PRIVILEGES IN SCHEMA bullmq GRANT EXECUTE ON FUNCTIONS TO berth_queue;`);
}

/** Logs in once. A password that does not fit (roles or table restored from different backups) is set anew from the table. */
async function assertUsable(client: Client, login: Login, url: string): Promise<void> {
  try {
    await assertRuntimeLogin(url);
  } catch (error) {
    if (!(error instanceof BerthError) || sqlState(error.cause) !== '28P01') throw error;
    await inTransaction(client, () => setPassword(client, login)).catch((cause: unknown) => {
      throw mayNotManage(login, cause);
    });
    await assertRuntimeLogin(url);
  }
}

function loginUrls(ownerUrl: string, logins: Login[]): LoginUrls {
  const urlFor = (purpose: LoginPurpose): string => {
    const login = logins.find((candidate) => candidate.purpose === purpose);
    if (login === undefined) throw new BerthError('internal', `No login was made for ${purpose}.`);
    return loginUrl(ownerUrl, login);
  };
  return { appUrl: urlFor('app'), systemUrl: urlFor('system'), queueUrl: urlFor('queue') };
}

/** The owner's URL with another login; host, database and options such as sslmode stay. */
function loginUrl(ownerUrl: string, { role, password }: Login): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = password.reveal();
  if (url.username !== role) {
    throw new BerthError(
      'config-invalid',
      'DATABASE_URL needs a host name between "@" and "/", for example postgresql://user:password@localhost/berth.',
    );
  }
  return url.toString();
}

function groupOf(purpose: LoginPurpose): string {
  return `berth_${purpose}`;
}

async function roleExists(client: Client, role: string): Promise<boolean> {
  return (await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])).rowCount === 1;
}

function mayNotCreateRoles(cause: unknown): BerthError {
  return new BerthError(
    'config-invalid',
    'The login of DATABASE_URL may not create roles. Run "ALTER ROLE <it> CREATEROLE", or prepare the logins and set DATABASE_APP_URL, ' +
      'DATABASE_SYSTEM_URL and DATABASE_QUEUE_URL.',
    { cause },
  );
}

function mayNotManage({ purpose, role }: Login, cause: unknown): BerthError {
  const group = groupOf(purpose);
  return new BerthError(
    'config-invalid',
    `The login of DATABASE_URL may not make ${role} a member of ${group}, or may not manage ${role}: it needs CREATEROLE and, where another ` +
      `owner made these roles (Postgres 16 or newer), the admin option. Let a superuser run: GRANT ${group} TO <it> WITH ADMIN OPTION; ` +
      'or prepare the logins and set DATABASE_APP_URL, DATABASE_SYSTEM_URL and DATABASE_QUEUE_URL.',
    { cause },
  );
}
