import { Injectable } from '@nestjs/common';
import type { RepositorySource } from '../contracts/index.js';
import { GithubInstallations } from '../credentials/index.js';
import type { Tenant } from '../database/index.js';
import { githubPlaceOf, nameOfSource, sourceNamed, type KnownRepository } from './repository.js';
import { WorkspaceSettings } from './settings.js';
import { workspacesStore } from './workspaces.store.js';

/** Which repository people mean by a name, and how it is called now. */
@Injectable()
export class Repositories {
  constructor(
    private readonly installations: GithubInstallations,
    private readonly settings: WorkspaceSettings,
  ) {
    installations.whenNamed((tenant, repositories) => workspacesStore.rename(tenant, repositories));
  }

  /** What a person typed; null when that is no repository. Whether it exists is not asked. */
  async named(tenant: Tenant, text: string): Promise<KnownRepository | null> {
    const source = sourceNamed(text);
    return source && { name: nameOfSource(source), repositoryId: await this.numberOf(tenant, source) };
  }

  /** Which one is meant by the name today: tomorrow another may be called so. Null where no installation reaches it. */
  async numberOf(tenant: Tenant, source: RepositorySource): Promise<string | null> {
    const asMade = { source, repository: nameOfSource(source), repositoryId: null };
    const place = githubPlaceOf(asMade, this.settings.repositories.githubUrl);
    const reached = place && (await this.installations.reaching(tenant, place));
    return reached?.repositoryId ?? null;
  }
}
