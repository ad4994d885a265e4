import type { RotationReason, RotationState } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { Slice } from '../../http/index.js';
import type { TokenVersion } from './tokens.store.js';

export interface NewRotation extends TokenVersion {
  id: string;
  reason: RotationReason;
  /** The process that calls. */
  owner: string;
  at: Date;
}

export interface Ending {
  state: Exclude<RotationState, 'open'>;
  nextGeneration?: number;
  /** For people. */
  message: string | null;
  at: Date;
}

/** An open one whose process was not heard of for long. */
export interface StaleRotation {
  id: string;
  lineage: string;
  generation: number;
  /** Since the provider was called; null: it was not. */
  calledSeconds: number | null;
}

/**
 * Renewals of tokens, each written before the provider is called. Of one generation of one lineage one is open at a time (a unique index), whatever becomes of jobs and processes. Whether its
 * process lives is reckoned by the database's clock alone.
 */
export const rotationsStore = {
  /** False when one is open. */
  async open({ db, organizationId }: Tenant, rotation: NewRotation): Promise<boolean> {
    const { id, ref, lineage, generation, reason, owner, at } = rotation;
    const count = await db.$executeRaw`
      insert into credential_rotation
        (id, organization_id, credential_id, workspace_id, lineage, generation, reason, state, owner, heartbeat_at, started_at)
      values (${id}::uuid, ${organizationId}::uuid, ${ref.credentialId}::uuid, ${ref.workspaceId}::uuid, ${lineage}::uuid,
              ${generation}, ${reason}, 'open', ${owner}::uuid, clock_timestamp(), ${at})
      on conflict do nothing`;
    return count > 0;
  },

  /** The last thing before the provider is called. False when the row is not this process's to work on any more: then nobody may call. */
  async call({ db, organizationId }: Tenant, id: string, owner: string): Promise<boolean> {
    const count = await db.$executeRaw`
      update credential_rotation set called_at = clock_timestamp(), heartbeat_at = clock_timestamp()
       where organization_id = ${organizationId}::uuid and id = ${id}::uuid and owner = ${owner}::uuid
         and state = 'open' and called_at is null`;
    return count > 0;
  },

  async beat({ db, organizationId }: Tenant, id: string, owner: string): Promise<void> {
    await db.$executeRaw`
      update credential_rotation set heartbeat_at = clock_timestamp()
       where organization_id = ${organizationId}::uuid and id = ${id}::uuid and owner = ${owner}::uuid and state = 'open'`;
  },

  /** What came of it. Also of one that was given up meanwhile: who called knows better. */
  async end({ db, organizationId }: Tenant, id: string, { at, ...ending }: Ending): Promise<void> {
    await db.credentialRotation.updateMany({
      where: { organizationId, id, state: { in: ['open', 'unknown', 'rejected'] } },
      data: { ...ending, finishedAt: at },
    });
  },

  /** Open ones of this token whose process was not heard of for so long. Locked, so that one gives them up. */
  stale(
    { db, organizationId }: Tenant,
    { credentialId, workspaceId }: TokenVersion['ref'],
    seconds: number,
  ): Promise<StaleRotation[]> {
    return db.$queryRaw<StaleRotation[]>`
      select id, lineage, generation, extract(epoch from clock_timestamp() - called_at)::float8 as "calledSeconds"
        from credential_rotation
       where organization_id = ${organizationId}::uuid and credential_id = ${credentialId}::uuid
         and workspace_id is not distinct from ${workspaceId}::uuid
         and state = 'open' and heartbeat_at < clock_timestamp() - make_interval(secs => ${seconds})
         for update skip locked`;
  },

  /** How many renewals of this generation ended without anybody knowing what they did. */
  unknown({ db, organizationId }: Tenant, { ref, lineage, generation }: TokenVersion): Promise<number> {
    const { credentialId, workspaceId } = ref;
    return db.credentialRotation.count({
      where: { organizationId, credentialId, workspaceId, lineage, generation, state: 'unknown' },
    });
  },

  /** The newest first. */
  list({ db, organizationId }: Tenant, credentialId: string, { after, take }: Slice) {
    return db.credentialRotation.findMany({
      where: { organizationId, credentialId, ...(after === null ? {} : { id: { lt: after } }) },
      orderBy: { id: 'desc' },
      take,
    });
  },
};
