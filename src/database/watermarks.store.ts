import type { PrismaClient } from './generated/client.js';

/** A look that was begun. */
export interface Claimed {
  key: string;
  claim: string;
  /** How far the last one came; null: there was none. */
  upTo: Date | null;
}

/** How far what is done again and again has come, and who is at it. */
export class WatermarksStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Null: somebody is at it, and was not given up for lost. */
  async claim(
    key: string,
    { claim, at, freeBefore }: { claim: string; at: Date; freeBefore: Date },
  ): Promise<Claimed | null> {
    await this.#client.watermark.createMany({ data: [{ key }], skipDuplicates: true });
    const rows = await this.#client.$queryRaw<{ upTo: Date | null }[]>`
      update watermark set claim = ${claim}::uuid, claimed_at = ${at}
       where key = ${key} and (claim is null or claimed_at < ${freeBefore}) returning up_to as "upTo"`;
    return rows[0] ? { key, claim, ...rows[0] } : null;
  }

  /** It is over; `upTo` null: it did not come to the end, and is begun at the same place again. */
  async release({ key, claim }: Pick<Claimed, 'key' | 'claim'>, upTo: Date | null): Promise<void> {
    await this.#client.watermark.updateMany({
      where: { key, claim },
      data: { claim: null, claimedAt: null, ...(upTo ? { upTo } : {}) },
    });
  }
}
