import { Injectable } from '@nestjs/common';
import { Database, SystemStore, type SealedAddress } from '../database/index.js';
import { BerthError } from '../kernel/index.js';
import { placeOf } from './renewal/place.js';
import { tokensStore } from './renewal/tokens.store.js';
import { SealedTables, type SealedTable } from './sealed-tables.js';
import type { Sealed } from './vault.js';

/** Tokens that workspaces have of their own, as key rotation sees them. */
@Injectable()
export class SealedMintedTokens implements SealedTable {
  readonly name = 'minted tokens';

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    tables: SealedTables,
  ) {
    tables.add(this);
  }

  rowsByKey(): Promise<Map<string, number>> {
    return this.system.keys.rowsByKey('mintedToken');
  }

  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.system.keys.mintedTokensNotUnder(keyId, after, take);
  }

  async read(address: SealedAddress) {
    const { organizationId, ref } = tokenAt(address);
    const row = await this.database.tenant(organizationId, (tenant) => tokensStore.sealed(tenant, ref));
    return row && { sealed: row.sealed, place: placeOf(organizationId, ref) };
  }

  replace(address: SealedAddress, before: string, after: Sealed): Promise<boolean> {
    const { organizationId, ref } = tokenAt(address);
    return this.database.tenant(organizationId, (tenant) =>
      tokensStore.resealMinted(tenant, ref, before, after),
    );
  }
}

function tokenAt({ id, organizationId }: SealedAddress) {
  const [credentialId, workspaceId] = id.split('/');
  if (organizationId === null || !credentialId || !workspaceId)
    throw new BerthError('internal', 'A minted token is of an organization, a credential and a workspace.');
  return { organizationId, ref: { credentialId, workspaceId } };
}
