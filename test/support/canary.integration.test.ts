import { gzipSync } from 'node:zlib';
import { Canary, findCanaries, findInDatabase } from './canary.js';
import { passwordCanary } from './canary-credentials.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { watchRows } from './row-watch.js';
import { withClient } from './tables.js';

/** What is looked for in vain in many places must be found where it is. */
describe('the search for secrets', () => {
  const key = new Canary('key', 'sk-ant-api03-');
  const password = passwordCanary('password');

  it.each<[string, (canary: Canary) => string]>([
    ['as it is', ({ text }) => text],
    ['in part', ({ random }) => random.slice(0, 8)],
    ['in JSON', ({ text }) => JSON.stringify({ text })],
    ['in JSON inside of JSON', ({ text }) => JSON.stringify(JSON.stringify({ text }))],
    ['in an address', ({ text }) => `/?a=${encodeURIComponent(text)}`],
    ['in a form', ({ text }) => new URLSearchParams({ text }).toString()],
    ['in base64', ({ text }) => Buffer.from(`{"apiKey":"${text}"}`).toString('base64')],
    ['in base64, one further', ({ text }) => Buffer.from(`x{"apiKey":"${text}"}`).toString('base64')],
    ['in base64, two further', ({ text }) => Buffer.from(`xx{"apiKey":"${text}"}`).toString('base64')],
    ['in base64url', ({ text }) => Buffer.from(text).toString('base64url')],
    ['in hex', ({ text }) => Buffer.from(text).toString('hex')],
    ['in upper-case hex', ({ text }) => Buffer.from(text).toString('hex').toUpperCase()],
    ['packed, in base64', ({ text }) => gzipSync(`{"apiKey":"${text}"}`).toString('base64')],
    ['packed, in hex', ({ text }) => gzipSync(text).toString('hex')],
  ])('finds one %s', (_, write) => {
    for (const canary of [key, password]) {
      expect(findCanaries([key, password], `before ${write(canary)} after`)).toEqual([
        expect.stringContaining(`${canary.name} (`),
      ]);
    }
  });

  it('finds none where none is', () => {
    const text = Array.from({ length: 50 }, (_, at) => new Canary(`other ${at}`, 'sk-').text).join(' ');
    expect(findCanaries([key, password], text)).toEqual([]);
  });

  describe('in a database', () => {
    let database: TestDatabase;
    beforeAll(async () => {
      database = await createTestDatabase();
    });
    afterAll(() => database.drop());

    it('finds one in any schema, whatever the type, and in a row that is gone', async () => {
      await withClient(database.ownerUrl, async (client) => {
        await client.query('CREATE TABLE bullmq.planted (id int, value jsonb, bytes bytea)');
        await watchRows(database.ownerUrl, ['bullmq']);
        await client.query('INSERT INTO bullmq.planted VALUES (1, $1, NULL), (2, NULL, $2)', [
          { text: Buffer.from(`{"apiKey":"${key.text}"}`).toString('base64') },
          Buffer.from(key.text),
        ]);
        const found = (table: string): unknown[] =>
          Array<unknown>(2).fill(expect.stringContaining(`${table}: key`));
        const both = [...found('"bullmq"."planted"'), ...found('"watch"."written"')];
        expect(await findInDatabase([key], database.ownerUrl)).toEqual(both);
        await client.query('DELETE FROM bullmq.planted');
        expect(await findInDatabase([key], database.ownerUrl)).toEqual(found('"watch"."written"'));
      });
    });
  });
});
