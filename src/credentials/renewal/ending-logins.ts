import { Inject, Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../../audit/index.js';
import type { Kind, Scope } from '../../contracts/index.js';
import { Database, SystemStore, type EndingRow, type Tenant } from '../../database/index.js';
import { LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { credentialsStore, type CredentialRow } from '../credentials.store.js';
import { kinds } from '../kinds.js';
import { loginEndOf } from '../login-end.js';
import { CredentialNotices } from './notices.js';

const PAGE = 500;

/** Tells people, for the sweep and once per login, that its provider ends it soon, however often it is renewed: somebody has to connect it again. */
@Injectable()
export class EndingLogins {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly audit: Audit,
    private readonly notices: CredentialNotices,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async tellAll(): Promise<void> {
    const now = this.world.clock.now();
    for (let after: string | null = null; ;) {
      const page = await this.system.renewals.endingLogins(now, after, PAGE);
      for (const row of page) await this.tryToTell(row);
      after = page.at(-1)?.credentialId ?? null;
      if (after === null || page.length < PAGE) return;
    }
  }

  /** One of which nothing can be booked at the moment keeps neither the others from being told nor the sweep from going on; it is tried again at the next. */
  private async tryToTell({ organizationId, credentialId }: EndingRow): Promise<void> {
    try {
      await this.database.tenant(organizationId, (tenant) => this.tell(tenant, credentialId));
    } catch (error) {
      this.log.warn(
        { credentialId, reason: messageOf(error) },
        'nobody could be told that a login ends soon; it is tried again',
      );
    }
  }

  /** Of two workers one takes it. The booked entry and the mark are one; what workspaces are told may be lost, and then stands in their explanation of credentials. */
  private async tell(tenant: Tenant, credentialId: string): Promise<void> {
    const row = await credentialsStore.findById(tenant, credentialId);
    const end = row && loginEndOf(row);
    if (!row || !end || !(await credentialsStore.takeWarning(tenant, row))) return;
    const endsAt = end.toISOString();
    this.audit.record(tenant, {
      action: 'credential.login-ending',
      actor: systemActor('credentials'),
      subject: { type: 'credential', id: credentialId, name: row.kind },
      details: { scope: row.scope, endsAt, owner: row.userId },
    });
    this.notices.tellAfter(tenant, noticeOf(tenant.organizationId, row, endsAt));
  }
}

function noticeOf(organizationId: string, row: CredentialRow, endsAt: string) {
  const kind = row.kind as Kind;
  return {
    organizationId,
    credentialId: row.id,
    scope: row.scope as Scope,
    kind,
    status: 'active',
    key: `${row.lineage}:ending`,
    message: `The ${kinds[kind].title} ends at ${endsAt}, whatever is renewed until then: connect it again before.`,
  } as const;
}
