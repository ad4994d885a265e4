import { administers, type Actor } from '../identity/index.js';

/**
 * What a member may do with a workspace. `see`: that it is there, and how it is. `converse`: read it, send messages, wake it. `administer`: stop and delete it. `use`: everything,
 * it is theirs; to change and to share it is theirs alone. None of them: it does not exist for the member.
 */
export type WorkspaceRight = 'see' | 'converse' | 'administer' | 'use';

export interface AccessFacts {
  ownerId: string;
  /** With the whole organization. */
  shared: boolean;
}

export function rightsTo({ ownerId, shared }: AccessFacts, actor: Actor): readonly WorkspaceRight[] {
  if (actor.userId === ownerId) return ['see', 'converse', 'administer', 'use'];
  const converse: WorkspaceRight[] = shared ? ['see', 'converse'] : [];
  return administers(actor) ? [...new Set<WorkspaceRight>([...converse, 'see', 'administer'])] : converse;
}

/** Why somebody who sees a workspace may not do something with it, in words. */
export const refusals: Record<Exclude<WorkspaceRight, 'see'>, string> = {
  converse: "This is another member's workspace: an admin may stop or delete it, but not read or use it.",
  administer: 'Only its owner or an admin may stop or delete this workspace.',
  use: 'Only its owner may change this workspace, or share it.',
};
