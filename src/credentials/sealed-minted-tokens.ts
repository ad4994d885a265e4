import { Injectable } from '@nestjs/common';
import { Database, SystemStore } from '../database/index.js';
import { BerthError } from '../kernel/index.js';
import { placeOf } from './renewal/place.js';
import { tokensStore } from './renewal/tokens.store.js';
import { ofOrganizations, SealedTables } from './sealed-tables.js';

/** Tokens that workspaces have of their own, as key rotation sees them. */
@Injectable()
export class SealedMintedTokens {
  constructor(database: Database, { keys }: SystemStore, tables: SealedTables) {
    tables.add(
      ofOrganizations(database, {
        name: 'minted tokens',
        rowsByKey: () => keys.rowsByKey('mintedToken'),
        notUnder: (keyId, after, take) => keys.mintedTokensNotUnder(keyId, after, take),
        sealed: (tenant, id) => tokensStore.sealed(tenant, refOf(id)),
        reseal: (tenant, id, before, after) => tokensStore.resealMinted(tenant, refOf(id), before, after),
        place: (organizationId, id) => placeOf(organizationId, refOf(id)),
      }),
    );
  }
}

function refOf(id: string): { credentialId: string; workspaceId: string } {
  const [credentialId, workspaceId] = id.split('/');
  if (!credentialId || !workspaceId)
    throw new BerthError('internal', 'A minted token is of a credential and a workspace.');
  return { credentialId, workspaceId };
}
