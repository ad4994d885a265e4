import type { SealedPlace } from '../vault.js';
import type { TokenRef } from './tokens.store.js';

/** Where a token is sealed for: a credential's own in its row, a workspace's own in that of the two. */
export function placeOf(organizationId: string, { credentialId, workspaceId }: TokenRef): SealedPlace {
  return workspaceId === null
    ? { purpose: 'credential', organizationId, rowId: credentialId }
    : { purpose: 'minted-token', organizationId, rowId: `${credentialId}/${workspaceId}` };
}
