import { chmod, mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  eventually,
  query,
  startChild,
  startChildAsOrdinaryUser,
  type EmbeddedChild,
} from '../../../test/support/embedded-processes.js';
import { makeScratch } from '../../../test/support/scratch.js';
import { silentLog } from '../../kernel/index.js';
import { clusterPaths, findPostmaster } from './cluster.js';
import { isAlive } from './processes.js';
import { embeddedSuperuserUrl, startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';

describe('embedded Postgres', () => {
  let home: string;
  let directory: string;
  const children: EmbeddedChild[] = [];
  const servers: EmbeddedPostgres[] = [];

  beforeEach(() => {
    home = makeScratch('berth-embedded-');
    directory = path.join(home, 'postgres');
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
    for (const child of children.splice(0)) if (isAlive(child.pid)) await child.end('SIGTERM');
    // A test that failed half-way may leave an orphan, which a start takes over.
    if ((await findPostmaster(clusterPaths(directory))) !== undefined) await (await start()).stop();
    await rm(home, { recursive: true });
  });

  const start = async (): Promise<EmbeddedPostgres> => {
    const postgres = await startEmbeddedPostgres({ directory, log: silentLog });
    servers.push(postgres);
    return postgres;
  };
  const child = async (starting: Promise<EmbeddedChild>): Promise<EmbeddedChild> => {
    const started = await starting;
    children.push(started);
    return started;
  };
  const postmaster = async (): Promise<{ pid: number; port: number }> => {
    const found = await findPostmaster(clusterPaths(directory));
    if (found === undefined) throw new Error('no postmaster');
    return found;
  };

  it('starts below a 0700 folder, with a plain owner, and keeps its data over a stop', async () => {
    const parent = path.join(home, 'closed');
    await mkdir(parent, { mode: 0o700 });
    await chmod(home, 0o700);
    directory = path.join(parent, 'a folder', 'postgres');

    const first = await start();
    expect(
      await query(
        first.ownerUrl,
        `SELECT current_database() AS database, r.rolsuper, r.rolcreaterole, r.rolbypassrls, current_setting('fsync') AS fsync,
                pg_encoding_to_char(d.encoding) AS encoding, current_setting('TimeZone') AS zone
           FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`,
      ),
    ).toEqual([
      {
        database: 'berth',
        rolsuper: false,
        rolcreaterole: true,
        rolbypassrls: false,
        fsync: 'on',
        encoding: 'UTF8',
        zone: 'UTC',
      },
    ]);
    expect(
      await query(
        await embeddedSuperuserUrl(directory),
        `SELECT current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets`,
      ),
    ).toEqual([{ addresses: '127.0.0.1', sockets: '' }]);
    await query(first.ownerUrl, 'CREATE TABLE kept (id int)');
    const { pid } = await postmaster();
    await first.stop();
    await first.stop();
    expect(isAlive(pid)).toBe(false);

    const second = await start();
    expect(await query(second.ownerUrl, 'SELECT count(*)::int FROM kept')).toEqual([{ count: 0 }]);
  });

  it('asks for a password, keeps the passwords to the user, and writes no statement into its log', async () => {
    const { ownerUrl } = await start();
    const anonymous = new URL(ownerUrl);
    anonymous.password = 'wrong';
    await expect(query(anonymous.toString(), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    await expect(query(ownerUrl, `SELECT 'sesame'::int`)).rejects.toThrow();
    const paths = clusterPaths(directory);
    for (const file of [paths.superuserPassword, paths.ownerPassword]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
    const log = await readFile(paths.log, 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('SELECT');
  });

  it('refuses a directory that another Berth uses, in this process and in another', async () => {
    const holder = await child(startChild(directory));
    expect(holder.answer.ownerUrl).toBeDefined();
    await expect(start()).rejects.toMatchObject({
      code: 'data-directory-in-use',
      message: expect.stringMatching(
        new RegExp(`process ${holder.pid}\\).*${directory}.*BERTH_DATA_DIR`),
      ) as string,
    });
    expect(await query(holder.answer.ownerUrl ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await holder.end('SIGTERM');

    await start();
    await expect(startEmbeddedPostgres({ directory, log: silentLog })).rejects.toMatchObject({
      code: 'data-directory-in-use',
    });
  });

  it('takes over the orphan of a Berth that was killed, data intact', async () => {
    const crashed = await child(startChild(directory));
    await query(crashed.answer.ownerUrl ?? '', 'CREATE TABLE kept AS SELECT 7 AS id');
    const orphan = await postmaster();
    await crashed.end('SIGKILL');
    expect(isAlive(orphan.pid)).toBe(true);

    const { ownerUrl } = await start();
    expect(await query(ownerUrl, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
    expect(isAlive(orphan.pid)).toBe(false);
    expect((await postmaster()).pid).not.toBe(orphan.pid);
  });

  it('lets exactly one of several that start at the same moment win, on a fresh folder and over an orphan', async () => {
    for (const round of ['fresh', 'orphan']) {
      const contenders = await Promise.all([1, 2, 3].map(() => child(startChild(directory))));
      const winners = contenders.filter(({ answer }) => answer.ownerUrl !== undefined);
      const refused = contenders.filter(({ answer }) => answer.code === 'data-directory-in-use');
      expect([winners.length, refused.length]).toEqual([1, 2]);
      const [winner] = winners;
      expect(await query(winner?.answer.ownerUrl ?? '', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      for (const { answer, pid } of refused) {
        const named = Number(/process (\d+)/.exec(answer.message ?? '')?.[1]);
        // Over an orphan, the one that stopped it may itself come second at the start of the new server.
        const rivals = contenders.map((contender) => contender.pid).filter((rival) => rival !== pid);
        expect(round === 'fresh' ? [winner?.pid] : rivals).toContain(named);
      }
      await winner?.end('SIGKILL');
    }
    expect((await readdir(directory)).filter((name) => name.startsWith('initializing-'))).toEqual([]);
  });

  it('starts Postgres again on the same port when it is killed, and still refuses others', async () => {
    const { ownerUrl } = await start();
    await query(ownerUrl, 'CREATE TABLE kept AS SELECT 7 AS id');
    const before = await postmaster();
    process.kill(before.pid, 'SIGKILL');
    expect(await eventually(() => query(ownerUrl, 'SELECT id FROM kept'))).toEqual([{ id: 7 }]);
    const after = await postmaster();
    expect(after.port).toBe(before.port);
    expect(after.pid).not.toBe(before.pid);
    const other = await child(startChild(directory));
    expect(other.answer).toMatchObject({ code: 'data-directory-in-use' });
  });

  it('takes its lock again when only that connection is lost', async () => {
    await start();
    const superuser = await embeddedSuperuserUrl(directory);
    const holders = (): Promise<{ pid: number }[]> =>
      query(superuser, `SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted`);
    const [lost] = await holders();
    await query(superuser, `SELECT pg_terminate_backend(${lost?.pid ?? 0})`);
    const [again] = await eventually(async () => {
      const found = await holders();
      return found.length === 1 && found[0]?.pid !== lost?.pid ? found : undefined;
    });
    expect(again?.pid).not.toBe(lost?.pid);
    const other = await child(startChild(directory));
    expect(other.answer).toMatchObject({ code: 'data-directory-in-use' });
  });

  it('is not stopped by a left-over postmaster.pid, gone or taken by another program', async () => {
    await (await start()).stop();
    const file = path.join(clusterPaths(directory).data, 'postmaster.pid');
    for (const pid of [process.pid, 2 ** 22 - 1]) {
      await writeFile(
        file,
        `${pid}\n${clusterPaths(directory).data}\n1700000000\n5432\n\n127.0.0.1\n  1 1\nready   \n`,
        { mode: 0o600 },
      );
      const postgres = await start();
      expect(await query(postgres.ownerUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await postgres.stop();
    }
  });

  it('removes the half-made cluster of a killed start and turns a log over that has grown', async () => {
    await (await start()).stop();
    const half = path.join(directory, 'initializing-4194303-1.abcdef00');
    await mkdir(path.join(half, 'cluster', 'data'), { recursive: true });
    const { log } = clusterPaths(directory);
    await truncate(log, 11 * 1024 * 1024);
    await start();
    expect(await readdir(directory)).not.toContain(path.basename(half));
    expect((await stat(log)).size).toBeLessThan(1024 * 1024);
    expect((await stat(`${log}.1`)).size).toBe(11 * 1024 * 1024);
  });

  it('runs for an ordinary user', async () => {
    const holder = await child(startChildAsOrdinaryUser(home));
    expect(holder.answer).toMatchObject({ ownerUrl: expect.any(String) as string });
    expect(await query(holder.answer.ownerUrl ?? '', 'SELECT current_user::text AS name')).toEqual([
      { name: 'berth' },
    ]);
  });
});
