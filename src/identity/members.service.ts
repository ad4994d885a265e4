import { Injectable } from '@nestjs/common';
import { roleSchema, type MemberView, type Role } from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { BerthError, World } from '../kernel/index.js';
import { auditedMember, type Actor } from './actor.js';
import { identityStore } from './identity.store.js';
import { invitationsStore } from './invitations.store.js';
import {
  objectionToInvite,
  objectionToRemoval,
  objectionToRole,
  type MembershipFacts,
  type Objection,
} from './membership.js';

/** Somebody who is about to be no member any more, and who removes them (themselves, when they leave). */
export interface Leaving {
  userId: string;
  name: string;
  by: Actor;
}

/** Ends what a person who leaves an organization has under way in it. Runs inside the transaction of the removal, before the membership goes. */
export type LeaveHook = (tenant: Tenant, leaving: Leaving) => Promise<void>;

/** Roles changed and taken away. Each decision is made under a lock of the owners' rows, by the roles as they are then: two at once cannot both take the last owner. */
@Injectable()
export class MembersService {
  readonly #hooks: LeaveHook[] = [];

  constructor(
    private readonly database: Database,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Adds what the rooms above have to end when somebody leaves, in the order of their adding. */
  whenLeaving(hook: LeaveHook): void {
    this.#hooks.push(hook);
  }

  /** Throws `not-found`, `forbidden`, `last-owner`. */
  async changeRole(actor: Actor, userId: string, role: Role): Promise<MemberView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const facts = await this.lock(tenant, actor, userId);
      refuse(objectionToRole(facts, role));
      await identityStore.setRole(tenant, userId, role);
      await this.revokeInvitations(tenant, userId, role);
      const row = await identityStore.member(tenant, userId);
      if (!row) throw noMember();
      this.audit.record(tenant, {
        action: 'member.role-changed',
        actor: auditedMember(actor),
        subject: { type: 'member', id: userId, name: row.user.name },
        details: { from: facts.target, to: role },
      });
      return { ...row.user, role, createdAt: row.createdAt.toISOString() };
    });
  }

  /** Throws `not-found`, `forbidden`, `last-owner`. */
  async remove(actor: Actor, userId: string): Promise<void> {
    await this.database.tenant(actor.organizationId, async (tenant) => {
      const facts = await this.lock(tenant, actor, userId);
      refuse(objectionToRemoval(facts));
      const row = await identityStore.member(tenant, userId);
      const leaving = { userId, name: row?.user.name ?? '', by: actor };
      for (const hook of this.#hooks) await hook(tenant, leaving);
      await this.revokeInvitations(tenant, userId, null);
      await identityStore.removeMember(tenant, userId);
      this.audit.record(tenant, {
        action: 'member.removed',
        actor: auditedMember(actor),
        subject: { type: 'member', id: userId, name: leaving.name },
        details: { role: facts.target, self: facts.isSelf },
      });
    });
  }

  private async lock(tenant: Tenant, actor: Actor, userId: string): Promise<MembershipFacts> {
    const rows = await identityStore.lockMembers(tenant, [actor.userId, userId]);
    const roleOf = (id: string): Role | undefined => rows.find((row) => row.userId === id)?.role as Role;
    const [own, target] = [roleOf(actor.userId), roleOf(userId)];
    // Removed since the request began.
    if (!own) throw new BerthError('not-found', 'There is no such organization here.');
    if (!target) throw noMember();
    const owners = rows.filter(({ role }) => role === 'owner').length;
    return { actor: own, target, isSelf: actor.userId === userId, owners };
  }

  /** Invitations that they could not make in their new role (null: none) end with the old one. */
  private revokeInvitations(tenant: Tenant, userId: string, role: Role | null): Promise<void> {
    const ended = roleSchema.options.filter((invited) => !role || objectionToInvite(role, invited) !== null);
    return invitationsStore.revokeBy(tenant, userId, ended, this.world.clock.now());
  }
}

function noMember(): BerthError {
  return new BerthError('not-found', 'There is no such member here.');
}

function refuse(objection: Objection | null): void {
  if (objection) throw new BerthError(objection.code, objection.message);
}
