import { Inject, Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../../audit/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { leasesStore } from '../leases.store.js';
import { Renewals } from './renewals.service.js';
import { CredentialSubjects } from './subjects.js';
import { tokensStore, type Token } from './tokens.store.js';

/** Who used it within so long is told when it ends. */
const LATELY_MS = 24 * 3600 * 1000;

/** The end of a credential by its provider: written, booked, and told to all whom it served. */
@Injectable()
export class Rejections {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly renewals: Renewals,
    private readonly subjects: CredentialSubjects,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
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
    tenant.afterCommit(() =>
      this.tell({ organizationId, credentialId, generation, scope, kind, message: reason }),
    );
    return true;
  }

  /** In transactions of their own: there may be thousands, and each is locked to be told. Whoever is not told finds it in the rows. */
  private async tell(rejected: Parameters<CredentialSubjects['all']['tellRejected']>[0]): Promise<void> {
    const { organizationId, credentialId } = rejected;
    const since = new Date(this.world.clock.now().getTime() - LATELY_MS);
    try {
      const uses = await this.database.tenant(organizationId, (tenant) =>
        leasesStore.usesSince(tenant, [credentialId], since),
      );
      await this.subjects.all.tellRejected(
        rejected,
        uses.map(({ workspaceId }) => workspaceId),
      );
    } catch (error) {
      this.log.warn(
        { credentialId, reason: messageOf(error) },
        'not everybody could be told that a credential was rejected',
      );
    }
  }
}
