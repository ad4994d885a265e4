import { Injectable } from '@nestjs/common';
import type { Body, LimitsView, updateLimitsRoute } from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { auditedPerson, IdentityService, type Actor, type Person } from '../identity/index.js';
import { limitsView, objectionToNew, objectionToRunning, type LimitFacts } from './limits.js';
import { workspacesStore } from './workspaces.store.js';

/**
 * What an organization may have at a time. Who adds to it locks the limits' row first and counts then, in the transaction that adds: however many come at once, the limit is met
 * exactly. Locks are taken in the order workspace, limits.
 */
@Injectable()
export class WorkspaceLimits {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly audit: Audit,
  ) {}

  show(actor: Actor): Promise<LimitsView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const limits = await this.identity.limits(tenant);
      return limitsView({ ...limits, ...(await workspacesStore.count(tenant)) });
    });
  }

  /** By who administers the instance, whose rights were asked already. Throws `not-found`. */
  async update(
    person: Person,
    slugOrId: string,
    change: Body<typeof updateLimitsRoute>,
  ): Promise<LimitsView> {
    const organizationId = await this.identity.organizationId(slugOrId);
    return this.database.tenant(organizationId, async (tenant) => {
      const limits = await this.identity.changeLimits(tenant, {
        maxWorkspaces: change.workspaces,
        maxRunning: change.running,
        maxRequestsPerSecond: change.requestsPerSecond,
      });
      this.audit.record(tenant, {
        action: 'limits.changed',
        actor: auditedPerson(person),
        subject: { type: 'organization', id: organizationId, name: null },
        details: change,
      });
      return limitsView({ ...limits, ...(await workspacesStore.count(tenant)) });
    });
  }

  /** Before one more workspace is written. Throws `limit-workspaces`, `limit-running`. */
  async admitNew(tenant: Tenant): Promise<void> {
    const objection = objectionToNew(await this.lockedFacts(tenant));
    if (objection) throw objection;
  }

  /** Before one more is asked to run. Throws `limit-running`. */
  async admitRunning(tenant: Tenant): Promise<void> {
    const objection = objectionToRunning(await this.lockedFacts(tenant));
    if (objection) throw objection;
  }

  private async lockedFacts(tenant: Tenant): Promise<LimitFacts> {
    const limits = await this.identity.lockLimits(tenant);
    return { ...limits, ...(await workspacesStore.count(tenant)) };
  }
}
