import path from 'node:path';
import { diffToSchema } from '../../scripts/schema-engine.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { withClient } from '../../test/support/tables.js';

const schema = path.join(import.meta.dirname, '..', '..', 'prisma', 'schema.prisma');

describe('prisma/schema.prisma and the migrations', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('say the same', async () => {
    expect(await diffToSchema('database', database.ownerUrl, schema)).toBe('');
  });

  it.each([
    [
      'a column is gone',
      'ALTER TABLE workspace DROP COLUMN pull_request_url',
      /ADD COLUMN\s+"pull_request_url"/,
    ],
    ['a column is of another type', 'ALTER TABLE event ALTER COLUMN type TYPE varchar(10)', /"event"/],
    ['an index is gone', 'DROP INDEX user_email_key', /CREATE UNIQUE INDEX "user_email_key"/],
    ['a table is too many', 'CREATE TABLE forgotten (id uuid PRIMARY KEY)', /DROP TABLE "forgotten"/],
  ])('do not when %s', async (_, change, found) => {
    const changed = await createTestDatabase();
    try {
      await withClient(changed.ownerUrl, (client) => client.query(change));
      expect(await diffToSchema('database', changed.ownerUrl, schema)).toMatch(found);
    } finally {
      await changed.drop();
    }
  });
});
