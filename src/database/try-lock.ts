import type { Prisma } from './generated/client.js';

/** Takes the advisory lock of a name until the transaction ends, or answers false at once when another has it. Whoever gets it sees what its last holder committed. */
export async function tryLock(db: Prisma.TransactionClient, name: string): Promise<boolean> {
  const [row] = await db.$queryRaw<
    { taken: boolean }[]
  >`select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as taken`;
  return row?.taken ?? false;
}
