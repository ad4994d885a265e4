import { Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../../audit/index.js';
import type { Tenant } from '../../database/index.js';
import { World } from '../../kernel/index.js';
import { CredentialNotices } from './notices.js';
import { Renewals } from './renewals.service.js';
import { tokensStore, type Token } from './tokens.store.js';

/** The end of a credential by its provider: written, booked, and told to all whom it served. */
@Injectable()
export class Rejections {
  constructor(
    private readonly audit: Audit,
    private readonly renewals: Renewals,
    private readonly notices: CredentialNotices,
    private readonly world: World,
  ) {}

  /** Inside a transaction of the caller. False when it is another by now, or rejected already. */
  async reject(tenant: Tenant, token: Token, reason: string): Promise<boolean> {
    const { ref, kind, scope, generation } = token;
    const { organizationId } = tenant;
    if (!(await tokensStore.reject(tenant, token, reason, this.world.clock.now()))) return false;
    this.audit.record(tenant, {
      action: 'credential.rejected',
      actor: systemActor('credentials'),
      subject: { type: 'credential', id: ref.credentialId, name: kind },
      details: { scope, generation, reason },
    });
    tenant.metrics.count('berth_credential_rejections_total', { kind });
    await this.renewals.tellChanged(tenant, ref.credentialId);
    const { credentialId } = ref;
    const notice = {
      organizationId,
      credentialId,
      scope,
      kind,
      status: 'rejected',
      message: reason,
    } as const;
    this.notices.tellAfter(tenant, { ...notice, key: `${generation}:rejected` });
    return true;
  }
}
