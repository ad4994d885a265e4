import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { withClient } from '../../test/support/tables.js';
import { systemIds } from '../kernel/index.js';
import { Database, isUniqueViolation } from './database.js';
import type { Tenant } from './unit.js';

let test: TestDatabase;
let database: Database;
const organizationId = systemIds.next();
const userId = systemIds.next();

beforeAll(async () => {
  test = await createTestDatabase();
  database = new Database(test.appUrl);
  await withClient(test.ownerUrl, async (client) => {
    await client.query(`INSERT INTO organization VALUES ($1, 'acme', 'Acme', now())`, [organizationId]);
    await client.query(
      `INSERT INTO "user" (id, email, name, created_at) VALUES ($1, 'ada@example.com', 'Ada', now())`,
      [userId],
    );
    await client.query(`INSERT INTO member VALUES ($1, $2, 'owner', now())`, [organizationId, userId]);
  });
});
afterAll(async () => {
  await database.close();
  await test.drop();
});
afterEach(() => withClient(test.ownerUrl, (client) => client.query('DELETE FROM api_key')));

const addKey = ({ db }: Tenant, prefix: string): Promise<unknown> =>
  db.apiKey.create({
    data: {
      id: systemIds.next(),
      organizationId,
      userId,
      name: prefix,
      prefix,
      hash: '',
      createdAt: new Date(),
    },
  });
/** What others see: through a connection of its own. */
const seen = (): Promise<string[]> =>
  withClient(test.ownerUrl, async (client) => {
    const { rows } = await client.query<{ prefix: string }>('SELECT prefix FROM api_key ORDER BY prefix');
    return rows.map(({ prefix }) => prefix);
  });
const begin = <T>(work: (tenant: Tenant) => Promise<T>): Promise<T> => database.tenant(organizationId, work);

describe('a transaction asked for inside another', () => {
  it('is a part of it: committed with it, and seen by nobody before', async () => {
    await begin(async (outer) => {
      await addKey(outer, 'one');
      await begin((inner) => addKey(inner, 'two'));
      expect(await seen()).toEqual([]);
    });
    expect(await seen()).toEqual(['one', 'two']);
  });

  it('is a part of it also when its last act asks for it, so that many at once do not wait for each other', async () => {
    // More than there are connections: each holds one, and none would ever get a second.
    const many = Array.from({ length: 30 }, (_, at) => `key ${at}`);
    const one = (prefix: string): Promise<void> =>
      begin((outer) => {
        outer.beforeCommit(async () => {
          await begin((inner) => addKey(inner, prefix));
        });
        return Promise.resolve();
      });
    await Promise.all(many.map(one));
    expect(await seen()).toHaveLength(many.length);
  });

  it('goes with it when that fails afterwards', async () => {
    const failing = begin(async () => {
      await begin((inner) => addKey(inner, 'one'));
      throw new Error('later');
    });
    await expect(failing).rejects.toThrow('later');
    expect(await seen()).toEqual([]);
  });

  it('is undone alone when it fails, and its caller may go on another way', async () => {
    await begin(async (outer) => {
      await addKey(outer, 'one');
      const taken = await begin(async (inner) => {
        await addKey(inner, 'two');
        await addKey(inner, 'one');
      }).catch((error: unknown) => error);
      expect(isUniqueViolation(taken)).toBe(true);
      await begin((inner) => addKey(inner, 'three'));
    });
    expect(await seen()).toEqual(['one', 'three']);
  });

  it('of another organization is refused', async () => {
    const other = begin(() => database.tenant(systemIds.next(), () => Promise.resolve()));
    await expect(other).rejects.toMatchObject({ code: 'internal' });
  });

  it('beside another one is refused, and nothing of either stays', async () => {
    const both = begin(() =>
      Promise.all([begin((inner) => addKey(inner, 'one')), begin((inner) => addKey(inner, 'two'))]),
    );
    await expect(both).rejects.toThrow();
    expect(await seen()).toEqual([]);
  });

  it('after its end, in work that goes on, is one of its own', async () => {
    let later: Promise<unknown> = Promise.resolve();
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    await begin(() => {
      later = gate.then(() => begin((tenant) => addKey(tenant, 'later')));
      return Promise.resolve();
    });
    go();
    await later;
    expect(await seen()).toEqual(['later']);
  });
});

describe('work after the commit', () => {
  it('runs when everybody sees what was written, the parts with the whole', async () => {
    const told: string[][] = [];
    const tell = async (): Promise<void> => void told.push(await seen());
    await begin(async (outer) => {
      await addKey(outer, 'one');
      outer.afterCommit(tell);
      await begin(async (inner) => {
        await addKey(inner, 'two');
        inner.afterCommit(tell);
      });
      expect(told).toEqual([]);
    });
    expect(told).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
  });

  it('does not run for what was undone', async () => {
    const told: string[] = [];
    await begin(async (outer) => {
      outer.afterCommit(() => Promise.resolve(void told.push('outer')));
      await begin((inner) => {
        inner.afterCommit(() => Promise.resolve(void told.push('inner')));
        return Promise.reject(new Error('undone'));
      }).catch(() => undefined);
    });
    await begin((tenant) => {
      tenant.afterCommit(() => Promise.resolve(void told.push('whole')));
      return Promise.reject(new Error('undone'));
    }).catch(() => undefined);
    expect(told).toEqual(['outer']);
  });
});
