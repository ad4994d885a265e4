import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/index.js';
import type { Agent, Preferences as PreferencesView, Role } from '../contracts/index.js';
import { Database, type Tenant } from '../database/index.js';
import { auditedMember, type Actor } from './actor.js';
import { IdentityService } from './identity.service.js';
import { identityStore } from './identity.store.js';

const NONE: PreferencesView = { agent: null, model: null };

/** What members want their work done with, and who stands for work that no member asked for. */
@Injectable()
export class Preferences {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly audit: Audit,
  ) {}

  /** Of a member. Inside a transaction of the caller. */
  async of(tenant: Tenant, userId: string): Promise<PreferencesView> {
    const row = await identityStore.preferences(tenant, userId);
    return row ? { agent: row.preferredAgent as Agent | null, model: row.preferredModel } : NONE;
  }

  show(actor: Actor): Promise<PreferencesView> {
    return this.database.tenant(actor.organizationId, (tenant) => this.of(tenant, actor.userId));
  }

  /** What is left out stays as it is, whatever becomes of it at the same moment. Throws `not-found` for who is a member no more. */
  change(actor: Actor, said: Partial<PreferencesView>): Promise<PreferencesView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await this.identity.hold(tenant, actor);
      await identityStore.setPreferences(tenant, actor.userId, {
        preferredAgent: said.agent,
        preferredModel: said.model,
      });
      const { agent, model } = await this.of(tenant, actor.userId);
      this.audit.record(tenant, {
        action: 'preferences.changed',
        actor: auditedMember(actor),
        subject: { type: 'member', id: actor.userId, name: actor.name },
        details: { agent, model },
      });
      return { agent, model };
    });
  }

  /**
   * Who stands for work that no person asked for: the owner who has been one for longest, where the organization allows such work; null where it does not. Their own credentials are not for it
   * (`WorkspaceTerms.organizationOnly`). Inside a transaction of the caller.
   */
  async automationActor(tenant: Tenant): Promise<Actor | null> {
    if (!(await identityStore.automation(tenant))) return null;
    const owner = await identityStore.oldestOwner(tenant);
    if (!owner) return null;
    const { user, role } = owner;
    const { organizationId } = tenant;
    const via = { type: 'external-account' as const, id: 'automation' };
    return { organizationId, userId: user.id, name: user.name, email: user.email, role: role as Role, via };
  }
}
