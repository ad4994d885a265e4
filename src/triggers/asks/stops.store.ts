import { Prisma } from '../../database/generated/client.js';
import type { Tenant } from '../../database/index.js';
import type { Ask } from './ask.js';

/** Up to when what was asked is stopped, by the name of what was stopped at the other system: a conversation, or what several of them are a part of. The only writer of it. */
export const stopsStore = {
  /** Nobody decides on what is a part of this until the transaction ends: who was deciding is done, and who comes after sees the mark. */
  async alone({ db, organizationId }: Tenant, system: string, name: string): Promise<void> {
    await db.$executeRaw`select pg_advisory_xact_lock(hashtextextended(${lockOf(organizationId, system, name)}, 0))`;
  },

  /** Nobody stops one of these until the transaction ends. Always in the same order, so that two who decide do not wait for each other. */
  async among({ db, organizationId }: Tenant, system: string, names: string[]): Promise<void> {
    for (const name of names.toSorted())
      await db.$executeRaw`select pg_advisory_xact_lock_shared(hashtextextended(${lockOf(organizationId, system, name)}, 0))`;
  },

  /** What was written up to then is stopped. Told out of order, the latest counts. */
  async mark({ db, organizationId }: Tenant, system: string, name: string, at: Date): Promise<void> {
    await db.$executeRaw`
      insert into ask_stop (organization_id, system, name, at) values (${organizationId}::uuid, ${system}, ${name}, ${at})
      on conflict (organization_id, system, name) do update set at = greatest(ask_stop.at, excluded.at)`;
  },

  /** Whether it was stopped, alone or as a part of something, before it was told of. At the same moment it was: who wants an end means what is there. */
  async isStopped(
    { db, organizationId }: Tenant,
    {
      system,
      writtenAt,
      conversation,
      partOf = [],
    }: Pick<Ask, 'system' | 'writtenAt' | 'partOf'> & { conversation: { key: string } },
  ): Promise<boolean> {
    if (!writtenAt) return false;
    const names = [conversation.key, ...partOf];
    const found = await db.$queryRaw<unknown[]>`
      select 1 from ask_stop
       where organization_id = ${organizationId}::uuid and system = ${system} and name in (${Prisma.join(names)}) and at >= ${writtenAt}
       limit 1`;
    return found.length > 0;
  },
};

function lockOf(organizationId: string, system: string, name: string): string {
  return `ask-stop/${organizationId}/${system}/${name}`;
}
