import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { columnsOf, withClient } from '../../test/support/tables.js';
import { parseConfig } from '../config/index.js';
import { checkKeyRing, sealingKeyToBook, Vault, type RingKey } from '../credentials/index.js';
import { readSealingKeys, SystemStore } from '../database/index.js';
import { systemClock } from '../kernel/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';
import { startBerth } from './compose.js';

const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const written = (ring: RingKey[]): string =>
  ring.map(({ id, key }) => `${id}:${Buffer.from(key).toString('base64')}`).join(',');

/** Everything a start could change: tables, columns, roles' rights, migrations and the booked keys. */
async function stateOf(url: string): Promise<string> {
  const columns = await columnsOf(url, ['public', 'bullmq', 'berth_private']);
  const rows = await withClient(url, async (client) => {
    const { rows } = await client.query<object>(
      `SELECT (SELECT json_agg(k ORDER BY id) FROM sealing_key k) AS keys,
              (SELECT json_agg(m ORDER BY id) FROM _prisma_migrations m) AS migrations,
              (SELECT json_agg(l ORDER BY purpose) FROM berth_private.login l) AS logins,
              (SELECT json_agg(nspacl::text ORDER BY nspname) FROM pg_namespace) AS rights`,
    );
    return rows;
  });
  return JSON.stringify({ columns, rows });
}

describe('the key ring and the database', () => {
  let database: TestDatabase;
  let directory: string;
  const [k1, k2] = [key('k1'), key('k2')];
  beforeAll(async () => {
    database = await createTestDatabase();
    directory = await mkdtemp(path.join(tmpdir(), 'berth-key-ring-'));
    const system = new SystemStore(database.systemUrl);
    for (const ring of [[k1], [k2, k1]]) {
      const toBook = await sealingKeyToBook(
        new Vault(ring),
        await readSealingKeys(database.ownerUrl),
        systemClock,
      );
      if (toBook) await system.bookSealingKey(toBook);
    }
    await system.close();
  });
  afterAll(async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  });

  /** As `npm start` with this ring; only ever a start that is refused. */
  const start = (ring: RingKey[]) =>
    startBerth(
      parseConfig({
        DATABASE_URL: database.ownerUrl,
        BERTH_ENCRYPTION_KEYS: written(ring),
        BERTH_DATA_DIR: path.join(directory, 'data'),
        PORT: '0',
      }),
      path.dirname(import.meta.dirname),
      new RecordingLog(),
      () => undefined,
    );

  it('reads what was booked, in order, and nothing from a database that Berth never saw', async () => {
    expect((await readSealingKeys(database.ownerUrl)).map(({ id }) => id)).toEqual(['k1', 'k2']);
    const empty = await createEmptyDatabase();
    expect(await readSealingKeys(empty.ownerUrl)).toEqual([]);
    await empty.drop();
  });

  it('is right with every key that ever sealed, in any order', async () => {
    const booked = await readSealingKeys(database.ownerUrl);
    await expect(checkKeyRing(new Vault([k2, k1]), booked)).resolves.toBeUndefined();
    await expect(checkKeyRing(new Vault([key('k3'), k1, k2]), booked)).resolves.toBeUndefined();
  });

  it('books a key once, however many start with it at once', async () => {
    const system = new SystemStore(database.systemUrl);
    const k3 = { id: 'k3', proof: 'proof', createdAt: new Date() };
    await Promise.all(
      Array.from({ length: 5 }, (_, at) => system.bookSealingKey({ ...k3, proof: `proof ${at}` })),
    );
    const { rowCount } = await withClient(database.ownerUrl, (client) =>
      client.query(`DELETE FROM sealing_key WHERE id = 'k3'`),
    );
    expect(rowCount).toBe(1);
    await system.close();
  });

  it.each<[string, () => RingKey[], string]>([
    ['without one of the keys', () => [k2], '"k1"'],
    ['with another key of the same name', () => [k2, { id: 'k1', key: randomBytes(32) }], '"k1"'],
    ['with other keys', () => [key('k9')], '"k1" and the encryption key "k2"'],
    [
      'with the keys under each other’s names',
      () => [
        { id: 'k1', key: k2.key },
        { id: 'k2', key: k1.key },
      ],
      '"k1"',
    ],
  ])('refuse a start %s, naming it, and change nothing', async (_, ring, named) => {
    const before = await stateOf(database.ownerUrl);
    const error: unknown = await start(ring()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'key-ring-mismatch',
      message: expect.stringContaining(named) as string,
    });
    expect((error as Error).message).toContain('Nothing was changed');
    for (const { key } of [k1, k2])
      expect((error as Error).message).not.toContain(Buffer.from(key).toString('base64'));
    expect(await stateOf(database.ownerUrl)).toBe(before);
    expect(await readdir(directory)).toEqual([]);
  });
});
