import type { Kind, Scope } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import type { TokenState } from '../../oauth/index.js';
import type { CredentialSettings } from '../kinds.js';
import type { Sealed } from '../vault.js';

/** Which token: a credential's own, or (workload identity) the one that a workspace has of its own. */
export interface TokenRef {
  credentialId: string;
  workspaceId: string | null;
}

/** A token, and the credential it is of; without any secret. */
export interface Token extends TokenState {
  ref: TokenRef;
  scope: Scope;
  kind: Kind;
  /** Whose own it is; null for the organization's. */
  userId: string | null;
  status: 'active' | 'refreshing' | 'rejected';
  settings: CredentialSettings;
  lineage: string;
}

/** One generation of one lineage: what a compare-and-set compares. */
export type TokenVersion = Pick<Token, 'ref' | 'lineage' | 'generation'>;

/** What is sealed of a token, and of which generation and lineage. */
export interface SealedToken {
  sealed: string;
  generation: number;
  lineage: string;
  /** Those that were set with it; of a workspace's own token none. */
  settings: CredentialSettings;
}

const stateColumns = {
  generation: true,
  expiresAt: true,
  renewAt: true,
  refusedGeneration: true,
  failures: true,
  retryAt: true,
} as const;

const columns = {
  ...stateColumns,
  scope: true,
  kind: true,
  userId: true,
  status: true,
  settings: true,
  lineage: true,
  forcedGeneration: true,
} as const;

/** Minted by what has been replaced, or never: it has run out. */
const RUN_OUT = new Date(0);
const none = { expiresAt: RUN_OUT, renewAt: null, refusedGeneration: null, failures: 0, retryAt: null };

/** A workspace's own token as it counts for the credential as it is now. */
export function mintedState(
  minted: (Omit<TokenState, 'forcedGeneration'> & { lineage: string }) | null,
  lineage: string,
): TokenState {
  if (minted?.lineage === lineage) return { ...minted, forcedGeneration: null };
  // Its number goes on: leases and reports know it.
  return { ...none, generation: minted?.generation ?? 0, forcedGeneration: null };
}

/** One name for one token; `refNamed` reads it. */
export const nameOf = ({ credentialId, workspaceId }: TokenRef): string =>
  `${credentialId} ${workspaceId ?? ''}`;

export function refNamed(name: string): TokenRef {
  const [credentialId = '', workspaceId = ''] = name.split(' ');
  return { credentialId, workspaceId: workspaceId === '' ? null : workspaceId };
}

const selfOf = ({ organizationId }: Tenant, { ref, lineage, generation }: TokenVersion) => ({
  organizationId,
  id: ref.credentialId,
  lineage,
  generation,
});

const mintedOf = ({ organizationId }: Tenant, { ref, lineage, generation }: TokenVersion) => ({
  organizationId,
  credentialId: ref.credentialId,
  workspaceId: ref.workspaceId ?? '',
  lineage,
  generation,
});

/**
 * The token columns of credentials, and the tokens that workspaces have of their own. What is written of a token names its generation and its lineage: whoever comes late changes nothing
 * (providers.md 0.5). Nothing else writes these columns but a new setting of the credential.
 */
export const tokensStore = {
  async find(tenant: Tenant, ref: TokenRef): Promise<Token | null> {
    return (await tokensStore.findAll(tenant, [ref])).get(nameOf(ref)) ?? null;
  },

  /** The organization's own login of a kind, with what is sealed of it and why it ended, where it did: in one look, so that all of it is of one moment. */
  async ofOrganization({ db, organizationId }: Tenant, kind: Kind) {
    const row = await db.credential.findFirst({
      where: { organizationId, scope: 'organization', kind },
      select: { id: true, sealed: true, lastError: true, ...columns },
    });
    if (!row) return null;
    const { id, sealed, lastError, ...state } = row;
    const ref: TokenRef = { credentialId: id, workspaceId: null };
    return { token: { ref, ...state } as Token, sealed, lastError };
  },

  /** Those of these that there are, by `nameOf`; however many they are, with one look at each table. */
  async findAll(tenant: Tenant, refs: TokenRef[]): Promise<Map<string, Token>> {
    const { db, organizationId } = tenant;
    const ids = [...new Set(refs.map(({ credentialId }) => credentialId))];
    const rows = await db.credential.findMany({
      where: { organizationId, id: { in: ids } },
      select: { id: true, ...columns },
    });
    const minted = refs.some(({ workspaceId }) => workspaceId !== null)
      ? await db.mintedToken.findMany({
          where: {
            organizationId,
            OR: refs.flatMap(({ credentialId, workspaceId }) =>
              workspaceId === null ? [] : [{ credentialId, workspaceId }],
            ),
          },
          select: { ...stateColumns, credentialId: true, workspaceId: true, lineage: true },
        })
      : [];
    const credentials = new Map(rows.map(({ id, ...row }) => [id, row]));
    const states = new Map(minted.map((state) => [nameOf(state), state]));
    return new Map(
      refs.flatMap((ref): [string, Token][] => {
        const row = credentials.get(ref.credentialId);
        if (!row) return [];
        const own = ref.workspaceId === null ? {} : mintedState(states.get(nameOf(ref)) ?? null, row.lineage);
        const token = {
          ...row,
          ref,
          scope: row.scope as Scope,
          kind: row.kind as Kind,
          status: row.status as Token['status'],
          settings: row.settings as CredentialSettings,
          ...own,
        };
        return [[nameOf(ref), token]];
      }),
    );
  },

  /** The tokens that a workspace has of its own, of these credentials. */
  mintedFor({ db, organizationId }: Tenant, workspaceId: string, credentialIds: string[]) {
    return db.mintedToken.findMany({
      where: { organizationId, workspaceId, credentialId: { in: credentialIds } },
      select: { ...stateColumns, credentialId: true, lineage: true },
    });
  },

  /** What is sealed of the tokens that workspaces have of their own of a credential. */
  async mintedBy(
    { db, organizationId }: Tenant,
    credentialId: string,
  ): Promise<{ credentialId: string; workspaceId: string; sealed: string }[]> {
    const rows = await db.mintedToken.findMany({
      where: { organizationId, credentialId, sealed: { not: null } },
      select: { credentialId: true, workspaceId: true, sealed: true },
    });
    return rows.flatMap(({ sealed, ...ref }) => (sealed === null ? [] : [{ ...ref, sealed }]));
  },

  /** What is sealed of a workspace's own tokens of one kind. They serve no more, and their generation is over: what is being minted at the moment is not stored. */
  async takeMinted(
    { db, organizationId }: Tenant,
    kind: Kind,
    workspaceId: string,
  ): Promise<{ credentialId: string; workspaceId: string; sealed: string }[]> {
    const rows = await db.$queryRaw<{ credentialId: string; sealed: string | null }[]>`
      update minted_token
         set generation = minted_token.generation + 1, expires_at = ${RUN_OUT}, renew_at = null, refused_generation = null,
             failures = 0, retry_at = null
        from credential
       where minted_token.organization_id = ${organizationId}::uuid and minted_token.workspace_id = ${workspaceId}::uuid
         and credential.organization_id = minted_token.organization_id and credential.id = minted_token.credential_id
         and credential.kind = ${kind}
       returning minted_token.credential_id as "credentialId", minted_token.sealed`;
    return rows.flatMap(({ credentialId, sealed }) =>
      sealed === null ? [] : [{ credentialId, workspaceId, sealed }],
    );
  },

  /** Nothing of them is kept; each only if it is still the one that was read. */
  async forgetMinted(
    { db, organizationId }: Tenant,
    rows: { credentialId: string; workspaceId: string; sealed: string }[],
  ): Promise<void> {
    await db.mintedToken.updateMany({
      where: { organizationId, OR: rows },
      data: { sealed: null, keyId: null },
    });
  },

  /** The sealed text that a lease opens, with the generation and lineage it belongs to, read together so that they are of one moment. */
  async sealed(tenant: Tenant, ref: TokenRef): Promise<SealedToken | null> {
    return (await tokensStore.sealedAll(tenant, [ref])).get(nameOf(ref)) ?? null;
  },

  /** The same of many, by `nameOf`. Who has none is missing. */
  async sealedAll({ db, organizationId }: Tenant, refs: TokenRef[]): Promise<Map<string, SealedToken>> {
    const select = { sealed: true, generation: true, lineage: true } as const;
    const ids = refs.flatMap(({ credentialId, workspaceId }) => (workspaceId === null ? [credentialId] : []));
    const minted = refs.flatMap(({ credentialId, workspaceId }) =>
      workspaceId === null ? [] : [{ credentialId, workspaceId }],
    );
    const own = ids.length
      ? await db.credential.findMany({
          where: { organizationId, id: { in: ids } },
          select: { ...select, id: true, settings: true },
        })
      : [];
    const ofWorkspaces = minted.length
      ? await db.mintedToken.findMany({
          where: { organizationId, OR: minted, sealed: { not: null } },
          select: { ...select, credentialId: true, workspaceId: true },
        })
      : [];
    return new Map([
      ...own.map(({ id, settings, ...row }): [string, SealedToken] => [
        nameOf({ credentialId: id, workspaceId: null }),
        { ...row, settings: settings as CredentialSettings },
      ]),
      ...ofWorkspaces.map(({ sealed, generation, lineage, ...ref }): [string, SealedToken] => [
        nameOf(ref),
        { sealed: sealed ?? '', generation, lineage, settings: {} },
      ]),
    ]);
  },

  /** The same token of a workspace under another key, if it is still the same. */
  async resealMinted(
    { db, organizationId }: Tenant,
    { credentialId, workspaceId }: { credentialId: string; workspaceId: string },
    before: string,
    { text, keyId }: Sealed,
  ): Promise<boolean> {
    const { count } = await db.mintedToken.updateMany({
      where: { organizationId, credentialId, workspaceId, sealed: before },
      data: { sealed: text, keyId },
    });
    return count > 0;
  },

  /** Makes the row that a workspace's token is to be in, or gives it to the credential as it is now. */
  async makeRoom({ db, organizationId }: Tenant, { ref, lineage }: TokenVersion): Promise<void> {
    const { credentialId, workspaceId } = ref;
    await db.$executeRaw`
      insert into minted_token (organization_id, credential_id, workspace_id, lineage, generation)
      values (${organizationId}::uuid, ${credentialId}::uuid, ${workspaceId}::uuid, ${lineage}::uuid, 0)
      on conflict (credential_id, workspace_id) do update
        set lineage = excluded.lineage, expires_at = ${RUN_OUT}, renew_at = null, refused_generation = null, failures = 0, retry_at = null
        where minted_token.lineage <> excluded.lineage`;
  },

  /** It could not be renewed, and is tried again. */
  async fail(
    tenant: Tenant,
    version: TokenVersion,
    { failures, retryAt, reason, at }: { failures: number; retryAt: Date; reason: string; at: Date },
  ): Promise<boolean> {
    const { db } = tenant;
    const data = { failures, retryAt };
    const own = { status: 'refreshing', forcedGeneration: null, lastError: reason, updatedAt: at };
    const { count } =
      version.ref.workspaceId === null
        ? await db.credential.updateMany({
            where: { ...selfOf(tenant, version), status: { not: 'rejected' } },
            data: { ...data, ...own },
          })
        : await db.mintedToken.updateMany({ where: mintedOf(tenant, version), data });
    return count > 0;
  },

  /** The provider ended it: nobody but a person can mend it. False when it is rejected already, or another by now. */
  async reject(
    tenant: Tenant,
    { ref, lineage, generation }: TokenVersion,
    reason: string,
    at: Date,
  ): Promise<boolean> {
    const { count } = await tenant.db.credential.updateMany({
      where: {
        organizationId: tenant.organizationId,
        id: ref.credentialId,
        lineage,
        // The number of a workspace's own token is not the credential's.
        ...(ref.workspaceId === null ? { generation } : {}),
        status: { not: 'rejected' },
      },
      data: { status: 'rejected', lastError: reason, forcedGeneration: null, updatedAt: at },
    });
    return count > 0;
  },

  /** The provider refused requests with this generation. Due at once, so that the sweep finds what a lost job forgot. False when that is known. */
  async refuse(tenant: Tenant, version: TokenVersion, at: Date): Promise<boolean> {
    const { db } = tenant;
    const { generation, ref } = version;
    const unknown = { OR: [{ refusedGeneration: null }, { refusedGeneration: { not: generation } }] };
    const data = { refusedGeneration: generation, renewAt: at, failures: 0, retryAt: null };
    const { count } =
      ref.workspaceId === null
        ? await db.credential.updateMany({
            where: { ...selfOf(tenant, version), ...unknown, status: { not: 'rejected' } },
            data: { ...data, updatedAt: at },
          })
        : await db.mintedToken.updateMany({ where: { ...mintedOf(tenant, version), ...unknown }, data });
    return count > 0;
  },

  /** A person wants this generation renewed, whatever it is worth. A pause after failures is over with it. */
  async force(tenant: Tenant, version: TokenVersion, at: Date): Promise<boolean> {
    const { count } = await tenant.db.credential.updateMany({
      where: { ...selfOf(tenant, version), status: { not: 'rejected' } },
      data: { forcedGeneration: version.generation, renewAt: at, failures: 0, retryAt: null },
    });
    return count > 0;
  },

  /** Each workspace's own token of this credential is minted anew when it is next needed; and what the provider said before is over. */
  async mintAnew({ db, organizationId }: Tenant, { ref, lineage }: TokenVersion, at: Date): Promise<void> {
    const { credentialId } = ref;
    await db.credential.updateMany({
      where: { organizationId, id: credentialId, lineage },
      data: { status: 'active', lastError: null, updatedAt: at },
    });
    await db.mintedToken.updateMany({
      where: { organizationId, credentialId },
      data: { expiresAt: RUN_OUT, renewAt: null, failures: 0, retryAt: null },
    });
  },

  /** Nobody uses it: it is not due any more, until somebody does. Only if it is still the one that was due. */
  async lull(tenant: Tenant, { credentialId, workspaceId }: TokenRef, generation: number): Promise<void> {
    const { db, organizationId } = tenant;
    if (workspaceId === null)
      await db.credential.updateMany({
        where: { organizationId, id: credentialId, generation },
        data: { renewAt: null },
      });
    else
      await db.mintedToken.updateMany({
        where: { organizationId, credentialId, workspaceId, generation },
        data: { renewAt: null },
      });
  },
};
