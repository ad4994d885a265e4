import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database, type Tenant } from '../../database/index.js';
import { Aside, LOG, messageOf, Turnstile, World, type Log } from '../../kernel/index.js';
import { leasesStore } from '../leases.store.js';
import { CredentialSubjects, type CredentialNotice } from './subjects.js';

/** Who used it within so long is told. */
const LATELY_MS = 24 * 3600 * 1000;

/** Tells those whom a credential serves what is to be known of it. */
@Injectable()
export class CredentialNotices implements OnApplicationShutdown {
  readonly #aside = new Aside();
  readonly #oneAtATime = new Turnstile(1);

  constructor(
    private readonly database: Database,
    private readonly subjects: CredentialSubjects,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Once what was written is committed, and aside: nobody's token is stored later because thousands are told of another's. */
  tellAfter(tenant: Tenant, notice: CredentialNotice): void {
    tenant.afterCommit(() => {
      this.#aside.begin(() => this.#oneAtATime.run('', () => this.tell(notice)));
      return Promise.resolve();
    });
  }

  onApplicationShutdown(): Promise<void> {
    return this.#aside.over();
  }

  /** In transactions of their own: each is locked to be told. Whoever is not told finds it in the rows. Never rejects. */
  private async tell(notice: CredentialNotice): Promise<void> {
    const { organizationId, credentialId } = notice;
    const since = new Date(this.world.clock.now().getTime() - LATELY_MS);
    try {
      const uses = await this.database.tenant(organizationId, (tenant) =>
        leasesStore.usesSince(tenant, [credentialId], since),
      );
      await this.subjects.all.tell(
        notice,
        uses.map(({ workspaceId }) => workspaceId),
      );
    } catch (error) {
      this.log.warn(
        { credentialId, reason: messageOf(error) },
        'not everybody could be told what is to be known of a credential',
      );
    }
  }
}
