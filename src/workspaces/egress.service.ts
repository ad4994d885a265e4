import { Injectable } from '@nestjs/common';
import type { Body, EgressPolicyView, setEgressPolicyRoute, WorkspaceState } from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { auditedMember, IdentityService, type Actor } from '../identity/index.js';
import { BerthError } from '../kernel/index.js';
import { egressView, hostsOf } from './egress.js';
import { egressStore } from './egress.store.js';
import { WorkspaceSettings } from './settings.js';
import { statesWithRunner } from './state.js';

/** Which hosts agents may reach. Proxies ask every few seconds, so that a change needs to be told to nobody. */
@Injectable()
export class EgressPolicy {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly settings: WorkspaceSettings,
    private readonly audit: Audit,
  ) {}

  show(actor: Actor): Promise<EgressPolicyView> {
    return this.database.tenant(actor.organizationId, async (tenant) =>
      egressView(await this.identity.egress(tenant)),
    );
  }

  set(actor: Actor, { allowedHosts }: Body<typeof setEgressPolicyRoute>): Promise<EgressPolicyView> {
    const decision = { decided: allowedHosts !== null, hosts: allowedHosts ?? [] };
    return this.database.tenant(actor.organizationId, async (tenant) => {
      await this.identity.setEgress(tenant, decision);
      this.audit.record(tenant, {
        action: 'egress-policy.changed',
        actor: auditedMember(actor),
        subject: { type: 'organization', id: actor.organizationId, name: null },
        details: { isDefault: !decision.decided, allowedHosts: decision.hosts },
      });
      return egressView(decision);
    });
  }

  /** What the agent of a workspace may reach now. Throws `forbidden` when the workspace does not run. */
  async hostsOf(tenant: Tenant, workspaceId: string): Promise<string[]> {
    const place = await egressStore.place(tenant, workspaceId);
    if (!place || !statesWithRunner.includes(place.state as WorkspaceState))
      throw new BerthError('forbidden', 'The workspace is not running.');
    const decision = await this.identity.egress(tenant);
    return hostsOf(decision, place.source, this.settings.repositories.githubUrl);
  }
}
