import { administers, type Actor } from '../identity/index.js';

/**
 * What a member may do with a workspace. `use`: everything, it is theirs. `administer`: see that it exists, stop and delete it, but not read or send messages. `none`: it
 * does not exist for them.
 */
export type WorkspaceAccess = 'use' | 'administer' | 'none';

export function accessTo(ownerId: string, actor: Actor): WorkspaceAccess {
  if (actor.userId === ownerId) return 'use';
  return administers(actor) ? 'administer' : 'none';
}
