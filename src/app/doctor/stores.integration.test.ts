import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CANARY, Examination, KEYS, statuses } from '../../../test/support/examination.js';
import {
  createEmptyDatabase,
  createTestDatabase,
  type TestDatabase,
} from '../../../test/support/postgres.js';
import { TestRedis } from '../../../test/support/redis.js';
import { withClient } from '../../../test/support/tables.js';
import { sealingKeyToBook, Vault } from '../../credentials/index.js';
import { systemClock } from '../../kernel/index.js';

/** The doctor on databases, keys and queues: right ones, wrong ones, and those of somebody else. */

let on: Examination;
beforeAll(async () => {
  on = await Examination.start();
});
afterAll(() => on.close());
beforeEach(() => on.freshFolder());

it('says what the first start would do to an empty database, and does none of it', async () => {
  const empty = await createEmptyDatabase();
  try {
    const found = await on.examine({ DATABASE_URL: empty.ownerUrl });
    expect(found.database?.status).toBe('ok');
    expect(found.migrations?.message).toContain('_backbone');
    const { rows } = await withClient(empty.ownerUrl, (client) =>
      client.query(
        `SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('public', 'bullmq')`,
      ),
    );
    expect(rows).toEqual([]);
  } finally {
    await empty.drop();
  }
});

describe('the database', () => {
  it.each([
    ['that is not there', (url: URL) => (url.port = '2'), 'cannot be reached', 'Start the server'],
    ['that refuses the login', (url: URL) => (url.password = CANARY), 'refuses the login', 'Correct login'],
    ['that does not exist', (url: URL) => (url.pathname = '/nowhere'), 'does not exist', 'Correct login'],
  ])('%s is a finding, and the rest waits for it', async (_what, change, says, mend) => {
    const url = new URL(on.database.ownerUrl);
    change(url);
    const found = await on.examine({ DATABASE_URL: url.toString() });
    expect(found.database).toMatchObject({
      status: 'fail',
      message: expect.stringContaining(says) as string,
      mend: expect.stringMatching(`^${mend}.* DATABASE_URL`) as string,
    });
    expect(statuses(found)).toMatchObject({ migrations: 'skipped', 'key-ring': 'skipped', queue: 'skipped' });
  });

  it('with a login that may do too little says which right it needs', async () => {
    const found = await on.examine({ DATABASE_URL: on.database.appUrl });
    expect(found.database).toMatchObject({
      status: 'fail',
      mend: expect.stringContaining('OWNER TO') as string,
    });
  });

  it('of a newer Berth is refused as a start would', async () => {
    const newer = await createTestDatabase();
    try {
      await withClient(newer.ownerUrl, (client) =>
        client.query(
          `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '29990101000000_future', now())`,
        ),
      );
      const found = await on.examine({ DATABASE_URL: newer.ownerUrl });
      expect(found.database?.status).toBe('ok');
      expect(found.migrations).toMatchObject({
        status: 'fail',
        message: expect.stringContaining('29990101000000_future') as string,
      });
    } finally {
      await newer.drop();
    }
  });
});

describe('the keys', () => {
  const sealed = Buffer.alloc(32, 2);
  let other: TestDatabase;
  beforeAll(async () => {
    other = await createTestDatabase();
    const key = await sealingKeyToBook(new Vault([{ id: 'k1', key: sealed }]), [], systemClock);
    await withClient(other.ownerUrl, (client) =>
      client.query('INSERT INTO sealing_key (id, proof, created_at) VALUES ($1, $2, $3)', [
        key?.id,
        key?.proof,
        key?.createdAt,
      ]),
    );
  });
  afterAll(() => other.drop());

  it.each([
    ['another key of the same name', KEYS, 'is not the key this database was sealed with'],
    ['a key of another name', KEYS.replace('k1', 'k2'), 'does not hold'],
  ])('with %s are wrong', async (_what, keys, says) => {
    const found = await on.examine({ DATABASE_URL: other.ownerUrl, BERTH_ENCRYPTION_KEYS: keys });
    expect(found['key-ring']).toMatchObject({
      status: 'fail',
      message: expect.stringContaining(says) as string,
    });
    expect(found.database?.status).toBe('ok');
  });

  it('that fit are right, unless the data directory is another database’s', async () => {
    const environment = {
      DATABASE_URL: other.ownerUrl,
      BERTH_ENCRYPTION_KEYS: `k1:${sealed.toString('base64')}`,
    };
    expect((await on.examine(environment))['key-ring']?.status).toBe('ok');
    await mkdir(path.join(on.folder, 'data'), { mode: 0o700 });
    await writeFile(path.join(on.folder, 'data/database-id'), 'another\n');
    expect((await on.examine(environment))['key-ring']).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('belongs to another database') as string,
    });
  });
});

describe('the queue on Redis', () => {
  it('is well when Redis keeps what it is given', async () => {
    const redis = await TestRedis.start();
    try {
      expect((await on.examine({ REDIS_URL: redis.url })).queue).toMatchObject({
        status: 'ok',
        message: 'on Redis',
      });
    } finally {
      await redis.remove();
    }
  });

  it('is worth a look when Redis may forget', async () => {
    const settings = { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' };
    const redis = await TestRedis.start({ settings });
    try {
      expect((await on.examine({ REDIS_URL: redis.url })).queue).toMatchObject({
        status: 'warn',
        message: expect.stringMatching(/maxmemory-policy noeviction.*appendonly yes/) as string,
      });
    } finally {
      await redis.remove();
    }
  });

  it('is missed when Redis is not there, and the password is not told', async () => {
    const found = await on.examine({ REDIS_URL: `redis://:${CANARY}@127.0.0.1:2` });
    expect(found.queue).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('REDIS_URL') as string,
    });
    expect(found.database?.status).toBe('ok');
  });
});
