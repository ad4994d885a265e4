import { withConnection } from './migrator.js';

/** A key this database was sealed with: its id, and a known text under it. */
export interface SealingKey {
  id: string;
  proof: string;
}

/**
 * Which keys this database is sealed with, those that were retired left out; none for a database that Berth never saw. Read as owner, and before migrations, so that a start with the wrong
 * key ring is refused before it changes anything.
 */
export function readSealingKeys(ownerUrl: string): Promise<SealingKey[]> {
  return withConnection(ownerUrl, async (client) => {
    const { rows } = await client.query<{ there: boolean }>(
      `select to_regclass('public.sealing_key') is not null as there`,
    );
    if (!rows[0]?.there) return [];
    return (
      await client.query<SealingKey>( // The column came later than the table, and this is asked before the migrations.
        "select id, proof from sealing_key k where to_jsonb(k) ->> 'retired_at' is null order by created_at",
      )
    ).rows;
  });
}
