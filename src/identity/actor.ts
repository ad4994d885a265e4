import type { AuditActor, Role } from '../contracts/index.js';

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
  /** How they proved who they are: for the record alone, it changes no right. Of who asks at another system it is the account there, by which they are known here. */
  via: Person['via'] | { type: 'external-account'; id: string };
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

const apiKeyIdOf = (via: Actor['via']): string | null => (via.type === 'api-key' ? via.id : null);

/** The member, as the audit log names who acts. */
export function auditedMember({ userId, name, via }: Actor): AuditActor {
  return { type: 'member', id: userId, name, apiKeyId: apiKeyIdOf(via) };
}

/** The person, as the audit log names who acts outside of an organization. */
export function auditedPerson({
  id,
  name,
  via,
}: Pick<Person, 'id' | 'name'> & { via?: Person['via'] }): AuditActor {
  return { type: 'person', id, name, apiKeyId: via ? apiKeyIdOf(via) : null };
}
