import { Injectable } from '@nestjs/common';
import type { RepositorySource } from '../contracts/index.js';
import {
  CredentialSubjects,
  type CredentialNotice,
  type GitPlace,
  type Subjects,
} from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import type { Actor } from '../identity/index.js';
import { World } from '../kernel/index.js';
import { httpsPlaceOf } from './repository.js';
import { rightsTo } from './access.js';
import { statesWithRunner } from './state.js';
import { subjectsStore } from './subjects.store.js';
import { workspacesStore } from './workspaces.store.js';

/** What credentials ask of those whom they serve: which of them live, who may see them, and that they hear when one is over, or will be. */
@Injectable()
export class CredentialNews implements Subjects {
  constructor(
    subjects: CredentialSubjects,
    private readonly database: Database,
    private readonly world: World,
  ) {
    subjects.are(this);
  }

  living(tenant: Tenant, ids: string[]): Promise<string[]> {
    return subjectsStore.idsInStates(tenant, ids, statesWithRunner);
  }

  async visibleTo(tenant: Tenant, actor: Actor, ids: string[]): Promise<string[]> {
    const rows = await subjectsStore.access(tenant, ids);
    return rows.filter((row) => rightsTo(row, actor).includes('see')).map(({ id }) => id);
  }

  async gitPlaceOf(tenant: Tenant, id: string): Promise<GitPlace | null> {
    const row = await subjectsStore.place(tenant, id);
    const place = row && httpsPlaceOf({ ...row, source: row.source as RepositorySource });
    return place && { ...place, readOnly: row.readOnly };
  }

  staysWith(tenant: Tenant, id: string, repositoryId: string): Promise<boolean> {
    return workspacesStore.setRepositoryId(tenant, id, repositoryId);
  }

  async tell(notice: CredentialNotice, ids: string[]): Promise<void> {
    const { organizationId, credentialId, scope, kind, status, message, key } = notice;
    const living = await this.database.tenant(organizationId, (tenant) => this.living(tenant, ids));
    for (const id of living)
      await this.database.tenant(organizationId, (tenant) =>
        eventsStore.append(tenant, id, [
          {
            type: 'credential.state',
            at: this.world.clock.now(),
            data: { credentialId, scope, kind, status, message },
            sourceKey: `credential:${credentialId}:${key}`,
          },
        ]),
      );
  }
}
