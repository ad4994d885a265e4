import { eventually } from '../../test/support/eventually.js';
import { asSuperuser, createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { waitingForLock } from '../../test/support/rows.js';
import { withClient } from '../../test/support/tables.js';
import { silentLog, systemIds } from '../kernel/index.js';
import { HostLock } from './host-lock.js';

describe('HostLock', () => {
  let database: TestDatabase;
  const taken: HostLock[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const lock of taken.splice(0)) await lock.close();
  });
  afterAll(() => database.drop());

  const take = async (
    id: string,
    onLost = (): void => undefined,
    lostAfterSeconds = 1,
  ): Promise<HostLock> => {
    const lock = await HostLock.take({
      url: database.systemUrl,
      host: { id, name: 'quay', version: '1' },
      dataDirectory: '/data',
      lostAfterSeconds,
      log: silentLog,
      onLost,
    });
    taken.push(lock);
    return lock;
  };
  const seenAt = (id: string) =>
    withClient(database.ownerUrl, async (client) => {
      const { rows } = await client.query<{ seen_at: Date }>('SELECT seen_at FROM host WHERE id = $1', [id]);
      return rows[0]?.seen_at.getTime() ?? 0;
    });
  /** The connections that hold a lock in this database, as the server tells. */
  const holders = () =>
    asSuperuser(async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        `SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.locktype = 'advisory' AND l.granted AND a.datname = $1 AND a.application_name LIKE 'berth host %'`,
        [new URL(database.ownerUrl).pathname.slice(1)],
      );
      return rows.map(({ pid }) => pid);
    });
  const cut = (pid: number) =>
    asSuperuser((client) => client.query('SELECT pg_terminate_backend($1)', [pid]));

  it('lets one worker have a host, says to the others who has it, and lets the next one in when it is let go', async () => {
    const id = systemIds.next();
    const results = await Promise.allSettled([take(id), take(id), take(id)]);
    const refused = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    expect(refused).toHaveLength(2);
    for (const reason of refused)
      expect(reason).toMatchObject({
        code: 'data-directory-in-use',
        message: expect.stringMatching(/\/data.*quay.*BERTH_DATA_DIR/) as string,
      });
    await taken.splice(0)[0]?.close();
    await expect(take(id)).resolves.toBeInstanceOf(HostLock);
  });

  it('lets workers have different hosts side by side', async () => {
    await Promise.all([take(systemIds.next()), take(systemIds.next())]);
    expect(await holders()).toHaveLength(2);
  });

  it('says that the host lives, until it may not write any more or is let go', async () => {
    const id = systemIds.next();
    const lock = await take(id);
    const first = await seenAt(id);
    await eventually('it is seen again', async () => (await seenAt(id)) > first);
    lock.silence();
    expect(await holders()).toHaveLength(1);
    await lock.close();
    expect(await holders()).toEqual([]);
  });

  it('takes the host again when its connection was cut and nobody else has it', async () => {
    const id = systemIds.next();
    let lost = 0;
    await take(id, () => lost++);
    const [pid] = await holders();
    await cut(pid ?? 0);
    await eventually('it holds again', async () => {
      const now = await holders();
      return now.length === 1 && now[0] !== pid;
    });
    const first = await seenAt(id);
    await eventually('and says so', async () => (await seenAt(id)) > first);
    expect(lost).toBe(0);
  });

  it('ends the worker whose connection was cut when another has the host by then', async () => {
    const id = systemIds.next();
    let lost = 0;
    await take(id, () => lost++);
    const [pid] = await holders();
    // Another machine with a copy of the directory stands in line already: it has the lock in the moment in which the first one's connection ends.
    await withClient(database.systemUrl, async (other) => {
      const got = other.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`berth host ${id}`]);
      await eventually('it stands in line', async () => (await waitingForLock(database)) === 1);
      await cut(pid ?? 0);
      await got;
      await eventually('the first one hears of it', () => lost === 1);
    });
    // It left the other's alone, and is not there any more.
    expect(await holders()).toEqual([]);
  });
});
