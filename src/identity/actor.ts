import type { Role } from '../contracts/index.js';

/** A person who proved who they are, before it is asked in which organization they act. An API key reaches one organization only. */
export interface Person {
  id: string;
  name: string;
  email: string;
  instanceAdministrator: boolean;
  via: { type: 'api-key'; id: string; organizationId: string } | { type: 'session'; id: string };
}

/** Who acts, in which organization: a member, signed in or by API key. Every room receives one; none asks the request. */
export interface Actor {
  organizationId: string;
  userId: string;
  name: string;
  email: string;
  role: Role;
}

/** A machine that proved itself with its token: one workspace, one identity (rule 9). */
export interface Machine {
  identity: 'runner' | 'proxy';
  organizationId: string;
  workspaceId: string;
}

/** Owner and admin administer an organization. */
export function administers(actor: Actor): boolean {
  return actor.role !== 'member';
}
