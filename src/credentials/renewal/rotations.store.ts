import type { RotationReason, RotationState } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import { idsFrom } from '../../kernel/index.js';
import type { Slice } from '../../http/index.js';
import { nameOf, refNamed, type TokenRef, type TokenVersion } from './tokens.store.js';

export interface NewRotation extends TokenVersion {
  id: string;
  reason: RotationReason;
  /** The process that calls. */
  owner: string;
  at: Date;
}

/** How one ended. */
export interface Ending {
  id: string;
  state: Exclude<RotationState, 'open'>;
  nextGeneration?: number;
  /** For people. */
  message: string | null;
  at: Date;
}

/** An open one whose process was not heard of for long. */
export interface StaleRotation {
  id: string;
  ref: TokenRef;
  lineage: string;
  generation: number;
  /** Since the provider was called; null: it was not. */
  calledSeconds: number | null;
}

const textOf = ({ ref, lineage, generation }: TokenVersion): string =>
  [nameOf(ref), lineage, generation].join();

/**
 * Renewals of tokens, each written before the provider is called. Of one generation of one lineage one is open at a time (a unique index), whatever becomes of jobs and processes. Whether its
 * process lives is reckoned by the database's clock alone.
 */
export const rotationsStore = {
  /** Answers the ids of those that are open now; of the others one is open already. In the order given: whoever opens several keeps one order, so that two cannot wait for each other. */
  async open({ db, organizationId }: Tenant, rotations: NewRotation[]): Promise<Set<string>> {
    const of = <T>(column: (rotation: NewRotation) => T): T[] => rotations.map(column);
    const rows = await db.$queryRaw<{ id: string }[]>`
      insert into credential_rotation
        (id, organization_id, credential_id, workspace_id, lineage, generation, reason, state, owner, heartbeat_at, started_at)
      select given.id, ${organizationId}::uuid, credential_id, workspace_id, lineage, generation, reason, 'open', owner, clock_timestamp(), at
        from unnest(${of(({ id }) => id)}::uuid[], ${of(({ ref }) => ref.credentialId)}::uuid[], ${of(({ ref }) => ref.workspaceId)}::uuid[],
                    ${of(({ lineage }) => lineage)}::uuid[], ${of(({ generation }) => generation)}::int[], ${of(({ reason }) => reason)}::text[],
                    ${of(({ owner }) => owner)}::uuid[], ${of(({ at }) => at)}::timestamptz[])
             as given (id, credential_id, workspace_id, lineage, generation, reason, owner, at)
      on conflict do nothing
      returning id`;
    return new Set(rows.map(({ id }) => id));
  },

  /** Of these that were opened in this very transaction nothing is to come: as if they had not been. */
  async undo({ db, organizationId }: Tenant, ids: string[]): Promise<void> {
    if (ids.length > 0)
      await db.credentialRotation.deleteMany({
        where: { organizationId, id: { in: ids }, state: 'open', calledAt: null },
      });
  },

  /** The last thing before the provider is called. Those that are not answered are not this process's to work on any more: for them nobody may call. */
  async call({ db, organizationId }: Tenant, ids: string[], owner: string): Promise<Set<string>> {
    const rows = await db.$queryRaw<{ id: string }[]>`
      update credential_rotation set called_at = clock_timestamp(), heartbeat_at = clock_timestamp()
       where organization_id = ${organizationId}::uuid and id = any (${ids}::uuid[]) and owner = ${owner}::uuid
         and state = 'open' and called_at is null
      returning id`;
    return new Set(rows.map(({ id }) => id));
  },

  /** For what several share: where somebody holds a row that one of them needs, it fails soon, and each goes on alone. Until the transaction ends. */
  async waitBriefly({ db }: Tenant): Promise<void> {
    await db.$executeRaw`select set_config('lock_timeout', '250ms', true)`;
  },

  async beat({ db, organizationId }: Tenant, id: string, owner: string): Promise<void> {
    await db.$executeRaw`
      update credential_rotation set heartbeat_at = clock_timestamp()
       where organization_id = ${organizationId}::uuid and id = ${id}::uuid and owner = ${owner}::uuid and state = 'open'`;
  },

  /** What came of each. Also of one that was given up meanwhile: who called knows better. */
  async end({ db, organizationId }: Tenant, endings: Ending[]): Promise<void> {
    const of = <T>(column: (ending: Ending) => T): T[] => endings.map(column);
    await db.$executeRaw`
      update credential_rotation as rotation
         set state = given.state, next_generation = given.next_generation, message = given.message, finished_at = given.at
        from unnest(${of(({ id }) => id)}::uuid[], ${of(({ state }) => state)}::text[], ${of(({ nextGeneration = null }) => nextGeneration)}::int[],
                    ${of(({ message }) => message)}::text[], ${of(({ at }) => at)}::timestamptz[])
             as given (id, state, next_generation, message, at)
       where rotation.organization_id = ${organizationId}::uuid and rotation.id = given.id and rotation.state in ('open', 'unknown', 'rejected')`;
  },

  /** How these stand, by id. */
  async states({ db, organizationId }: Tenant, ids: string[]): Promise<Map<string, string>> {
    if (ids.length === 0) return new Map();
    const rows = await db.credentialRotation.findMany({
      where: { organizationId, id: { in: ids } },
      select: { id: true, state: true },
    });
    return new Map(rows.map(({ id, state }) => [id, state]));
  },

  /** Forgets those of these credentials that are over and were begun before a time. By their ids, so that what stays is not looked at. */
  async forget({ db, organizationId }: Tenant, credentialIds: string[], before: Date): Promise<void> {
    await db.credentialRotation.deleteMany({
      where: {
        organizationId,
        credentialId: { in: credentialIds },
        id: { lt: idsFrom(before) },
        state: { not: 'open' },
      },
    });
  },

  /** Open ones of these tokens whose process was not heard of for so long. Locked, so that one gives them up. */
  async stale({ db, organizationId }: Tenant, refs: TokenRef[], seconds: number): Promise<StaleRotation[]> {
    const asked = [...new Set(refs.map(nameOf))].map(refNamed);
    const rows = await db.$queryRaw<(Omit<StaleRotation, 'ref'> & TokenRef)[]>`
      select r.id, r.credential_id as "credentialId", r.workspace_id as "workspaceId", r.lineage, r.generation,
             extract(epoch from clock_timestamp() - r.called_at)::float8 as "calledSeconds"
        from credential_rotation r
        join unnest(${asked.map(({ credentialId }) => credentialId)}::uuid[], ${asked.map(({ workspaceId }) => workspaceId)}::uuid[])
             as asked (credential_id, workspace_id)
          on r.credential_id = asked.credential_id and r.workspace_id is not distinct from asked.workspace_id
       where r.organization_id = ${organizationId}::uuid and r.state = 'open'
         and r.heartbeat_at < clock_timestamp() - make_interval(secs => ${seconds})
         for update of r skip locked`;
    return rows.map(({ credentialId, workspaceId, ...row }) => ({
      ...row,
      ref: { credentialId, workspaceId },
    }));
  },

  /** How many renewals of this generation ended without anybody knowing what they did. */
  async unknown(tenant: Tenant, version: TokenVersion): Promise<number> {
    return (await rotationsStore.unknownAmong(tenant, [version])).get(nameOf(version.ref)) ?? 0;
  },

  /** The same of many, by `nameOf`; none where it is missing. */
  async unknownAmong({ db, organizationId }: Tenant, versions: TokenVersion[]): Promise<Map<string, number>> {
    const found = await db.credentialRotation.groupBy({
      by: ['credentialId', 'workspaceId', 'lineage', 'generation'],
      where: {
        organizationId,
        credentialId: { in: versions.map(({ ref }) => ref.credentialId) },
        generation: { in: versions.map(({ generation }) => generation) },
        state: 'unknown',
      },
      _count: true,
    });
    const asked = new Set(versions.map(textOf));
    return new Map(
      found.flatMap(({ lineage, generation, _count, ...ref }): [string, number][] =>
        asked.has(textOf({ ref, lineage, generation })) ? [[nameOf(ref), _count]] : [],
      ),
    );
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
