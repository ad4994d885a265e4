import type { Tenant } from '../../database/index.js';
import type { CredentialSettings } from '../kinds.js';
import type { Sealed } from '../vault.js';
import { nameOf, type TokenRef, type TokenVersion } from './tokens.store.js';

/** What takes the place of one generation. */
export interface NewToken {
  version: TokenVersion;
  sealed: Sealed;
  hint: string;
  /** Whose login it is at the provider; null: it did not say. */
  account: CredentialSettings['account'] | null;
  expiresAt: Date | null;
  renewAt: Date | null;
  at: Date;
}

/** The columns of new tokens as arrays, for one statement. */
function columnsOf(tokens: NewToken[]) {
  const of = <T>(column: (token: NewToken) => T): T[] => tokens.map(column);
  return {
    credentialIds: of(({ version }) => version.ref.credentialId),
    workspaceIds: of(({ version }) => version.ref.workspaceId),
    lineages: of(({ version }) => version.lineage),
    generations: of(({ version }) => version.generation),
    sealed: of(({ sealed }) => sealed.text),
    keyIds: of(({ sealed }) => sealed.keyId),
    expiresAt: of(({ expiresAt }) => expiresAt),
    renewAt: of(({ renewAt }) => renewAt),
  };
}

async function storeOwn({ db, organizationId }: Tenant, tokens: NewToken[]): Promise<TokenRef[]> {
  if (tokens.length === 0) return [];
  const given = columnsOf(tokens);
  // Of the settings the account alone: what somebody sets meanwhile stays.
  return db.$queryRaw<TokenRef[]>`
    update credential
       set sealed = given.sealed, key_id = given.key_id, expires_at = given.expires_at, renew_at = given.renew_at, generation = given.generation + 1,
           refused_generation = null, failures = 0, retry_at = null, hint = given.hint, settings = credential.settings || given.settings::jsonb,
           status = 'active', forced_generation = null, last_error = null, last_rotated_at = given.at, updated_at = given.at
      from unnest(${given.credentialIds}::uuid[], ${given.lineages}::uuid[], ${given.generations}::int[], ${given.sealed}::text[], ${given.keyIds}::text[],
                  ${given.expiresAt}::timestamptz[], ${given.renewAt}::timestamptz[], ${tokens.map(({ hint }) => hint)}::text[],
                  ${tokens.map(({ account }) => JSON.stringify(account ? { account } : {}))}::text[], ${tokens.map(({ at }) => at)}::timestamptz[])
           as given (id, lineage, generation, sealed, key_id, expires_at, renew_at, hint, settings, at)
     where credential.organization_id = ${organizationId}::uuid and credential.id = given.id and credential.lineage = given.lineage
       and credential.generation = given.generation
    returning credential.id as "credentialId", null::uuid as "workspaceId"`;
}

async function storeMinted({ db, organizationId }: Tenant, tokens: NewToken[]): Promise<TokenRef[]> {
  if (tokens.length === 0) return [];
  const given = columnsOf(tokens);
  return db.$queryRaw<TokenRef[]>`
    update minted_token
       set sealed = given.sealed, key_id = given.key_id, expires_at = given.expires_at, renew_at = given.renew_at, generation = given.generation + 1,
           refused_generation = null, failures = 0, retry_at = null
      from unnest(${given.credentialIds}::uuid[], ${given.workspaceIds}::uuid[], ${given.lineages}::uuid[], ${given.generations}::int[],
                  ${given.sealed}::text[], ${given.keyIds}::text[], ${given.expiresAt}::timestamptz[], ${given.renewAt}::timestamptz[])
           as given (credential_id, workspace_id, lineage, generation, sealed, key_id, expires_at, renew_at)
     where minted_token.organization_id = ${organizationId}::uuid and minted_token.credential_id = given.credential_id
       and minted_token.workspace_id = given.workspace_id and minted_token.lineage = given.lineage and minted_token.generation = given.generation
    returning minted_token.credential_id as "credentialId", minted_token.workspace_id as "workspaceId"`;
}

/** Stores what renewals brought: by a compare-and-set of generation and lineage, so that whoever comes late changes nothing (providers.md 0.5). */
export const newTokensStore = {
  /** The next generation in place of each of these. Answers, by `nameOf`, whose that are: of the others there is another by now. */
  async save(tenant: Tenant, tokens: NewToken[]): Promise<Set<string>> {
    // In one order, so that two who store several seldom wait for each other.
    const sorted = tokens.toSorted((a, b) => nameOf(a.version.ref).localeCompare(nameOf(b.version.ref)));
    const own = await storeOwn(
      tenant,
      sorted.filter(({ version }) => version.ref.workspaceId === null),
    );
    const minted = await storeMinted(
      tenant,
      sorted.filter(({ version }) => version.ref.workspaceId !== null),
    );
    return new Set([...own, ...minted].map(nameOf));
  },
};
