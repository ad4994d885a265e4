import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createEmptyDatabase } from '../../test/support/postgres.js';
import { silentLog, type BerthError } from '../kernel/index.js';
import { migrate, withConnection } from './migrator.js';

const FIRST = '20260101000000_first';
const SECOND = '20260102000000_second';
const FIRST_SQL = `CREATE TABLE note (id int PRIMARY KEY, text text NOT NULL);
CREATE FUNCTION shout(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN upper($1); END; $$;`;

describe('migrate', () => {
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
  let migrationsDirectory: string;

  beforeEach(async () => {
    database = await createEmptyDatabase();
    migrationsDirectory = await mkdtemp(path.join(os.tmpdir(), 'berth-migrations-'));
    await writeFile(path.join(migrationsDirectory, 'migration_lock.toml'), 'provider = "postgresql"\n');
    await write(FIRST, FIRST_SQL);
  });
  afterEach(async () => {
    await database.drop();
    await rm(migrationsDirectory, { recursive: true });
  });

  async function write(name: string, sql: string): Promise<void> {
    await mkdir(path.join(migrationsDirectory, name), { recursive: true });
    await writeFile(path.join(migrationsDirectory, name, 'migration.sql'), sql);
  }
  const run = (): Promise<{ applied: string[] }> =>
    migrate({ ownerUrl: database.ownerUrl, migrationsDirectory, log: silentLog });
  const query = <T extends object>(sql: string): Promise<T[]> =>
    withConnection(database.ownerUrl, async (client) => (await client.query<T>(sql)).rows);

  it('applies what is new in order, books it as Prisma does, and makes the schema of the queue', async () => {
    expect(await run()).toEqual({ applied: [FIRST] });
    await write(SECOND, 'ALTER TABLE note ADD COLUMN loud text GENERATED ALWAYS AS (text) STORED;');
    expect(await run()).toEqual({ applied: [SECOND] });
    expect(await run()).toEqual({ applied: [] });

    const booked = await query<{
      id: string;
      checksum: string;
      migration_name: string;
      finished: boolean;
      steps: number;
    }>(
      `SELECT id, checksum, migration_name, finished_at >= started_at AS finished, applied_steps_count AS steps
         FROM _prisma_migrations ORDER BY migration_name`,
    );
    expect(booked).toMatchObject([
      { migration_name: FIRST, finished: true, steps: 1 },
      { migration_name: SECOND, finished: true, steps: 1 },
    ]);
    expect(booked[0]?.checksum).toBe(createHash('sha256').update(FIRST_SQL).digest('hex'));
    expect(booked[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await query(`SELECT shout('a'), to_regclass('bullmq.migration') IS NOT NULL AS queue`)).toEqual([
      { shout: 'A', queue: true },
    ]);
  });

  it('lets one of several processes apply and the others find nothing to do', async () => {
    const results = await Promise.all([run(), run(), run()]);
    expect(results.map(({ applied }) => applied.length).sort()).toEqual([0, 0, 1]);
  });

  it('leaves nothing of a migration that fails, and applies it once it is mended', async () => {
    await write(SECOND, 'CREATE TABLE half (id int); SELECT 1 / 0;');
    await expect(run()).rejects.toMatchObject({ code: 'migration-failed' } satisfies Partial<BerthError>);
    expect(
      await query(
        `SELECT to_regclass('half') AS half, (SELECT count(*)::int FROM _prisma_migrations) AS booked`,
      ),
    ).toEqual([{ half: null, booked: 1 }]);
    await write(SECOND, 'CREATE TABLE half (id int);');
    expect(await run()).toEqual({ applied: [SECOND] });
  });

  it('refuses a database whose applied migration is another one', async () => {
    await run();
    await write(FIRST, `${FIRST_SQL} -- changed`);
    await write(SECOND, 'CREATE TABLE never (id int)');
    await expect(run()).rejects.toMatchObject({
      code: 'migration-mismatch',
      message: expect.stringContaining(FIRST) as string,
    });
    expect(await query(`SELECT to_regclass('never') AS never`)).toEqual([{ never: null }]);
  });

  it('refuses a database of a newer Berth', async () => {
    await write(SECOND, 'SELECT 1;');
    await run();
    await rm(path.join(migrationsDirectory, SECOND), { recursive: true });
    await expect(run()).rejects.toMatchObject({
      code: 'migration-mismatch',
      message: expect.stringContaining('newer') as string,
    });
  });

  it('refuses a migration that another tool began and did not finish, until it is marked as rolled back', async () => {
    await run();
    await query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '${SECOND}')`,
    );
    await write(SECOND, 'SELECT 1;');
    await expect(run()).rejects.toMatchObject({
      code: 'migration-mismatch',
      message: expect.stringContaining('finished') as string,
    });
    await query(`UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = 'x'`);
    expect(await run()).toEqual({ applied: [SECOND] });
  });

  it('says what to do when there is no server or the login is refused, without the password', async () => {
    const wrong = new URL(database.ownerUrl);
    wrong.password = 'not-the-password';
    const refused = migrate({ ownerUrl: wrong.toString(), migrationsDirectory, log: silentLog });
    await expect(refused).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.not.stringContaining('not-the-password') as string,
    });

    wrong.port = '1';
    const absent = migrate({ ownerUrl: wrong.toString(), migrationsDirectory, log: silentLog });
    await expect(absent).rejects.toMatchObject({ code: 'database-unavailable' });
  });
});
