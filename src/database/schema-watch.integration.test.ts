import { startTestApp, type TestApp } from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import { silentLog } from '../kernel/index.js';
import { SchemaWatch, unknownOf } from './schema-watch.js';

describe('SchemaWatch', () => {
  let berth: TestApp;
  let known: string[];
  beforeEach(async () => {
    berth = await startTestApp();
    known = await berth.parts.system.bookedMigrations();
  });
  afterEach(() => berth.close());

  /** As a newer Berth books what it applies. */
  const book = (name: string, rolledBack = false) =>
    withClient(berth.database.ownerUrl, (client) =>
      client.query(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at)
         VALUES (gen_random_uuid()::text, 'x', $1, now(), CASE WHEN $2 THEN now() END)`,
        [name, rolledBack],
      ),
    );
  const watch = () =>
    new SchemaWatch({ known, booked: () => berth.parts.system.bookedMigrations(), log: silentLog });

  it('sees a migration that this build does not know, once and for good', async () => {
    const watched = watch();
    let told = 0;
    watched.whenNewer(() => told++);
    await watched.look();
    expect([known.length > 1, watched.isNewer, told]).toEqual([true, false, 0]);
    // One that was taken back does not count.
    await book('20990101000000_taken_back', true);
    await watched.look();
    expect(watched.isNewer).toBe(false);
    // Also one whose name is older than the newest known: releases from two branches are booked by name.
    await book('20000101000000_from_a_branch');
    await watched.look();
    await watched.look();
    expect([watched.isNewer, told]).toEqual([true, 1]);
  });

  it('takes a database that does not answer for no answer', async () => {
    const watched = new SchemaWatch({
      known,
      booked: () => Promise.reject(new Error('gone')),
      log: silentLog,
    });
    await watched.look();
    expect(watched.isNewer).toBe(false);
  });
});

it.each([
  [['a', 'b'], ['a', 'b'], []],
  [['a'], ['a', 'b'], []],
  [['a', 'c'], ['a', 'b'], ['c']],
])('of %j booked and %j known, %j is unknown', (booked, known, unknown) => {
  expect(unknownOf(booked, known)).toEqual(unknown);
});
