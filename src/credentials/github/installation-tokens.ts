import { Inject, Injectable } from '@nestjs/common';
import { RequestError } from 'octokit';
import { Database, type Tenant } from '../../database/index.js';
import { hintOf, LOG, messageOf, Secret, World, type Log } from '../../kernel/index.js';
import { endOf, mintToken, saidBy } from '../providers/github-app.js';
import {
  TokenSources,
  type Renewal,
  type RenewalRequest,
  type TokenSource,
} from '../providers/token-source.js';
import { placeOf } from '../renewal/place.js';
import { CredentialSubjects, type GitPlace } from '../renewal/subjects.js';
import { tokensStore } from '../renewal/tokens.store.js';
import { Vault } from '../vault.js';
import { GithubApp } from './github-app.service.js';
import { installationsStore, type Reached } from './installations.store.js';

/** So long is waited for the end of a token, while whoever asked for it waits for the workspace. */
const END_MS = 5_000;
/** Git alone. `metadata` comes with every token. */
const READ = { metadata: 'read', contents: 'read' };
const WRITE = { metadata: 'read', contents: 'write' };

/**
 * Tokens of an installation of the App at GitHub, one per workspace: for the one repository of that workspace, and with what git needs there. What else the App may do, no workspace
 * can. Asked for anew each time: there is nothing that could be used up.
 */
@Injectable()
export class InstallationTokens implements TokenSource {
  readonly graceSeconds = 0;

  constructor(
    private readonly app: GithubApp,
    private readonly database: Database,
    private readonly subjects: CredentialSubjects,
    private readonly vault: Vault,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    sources: TokenSources,
  ) {
    sources.add('github_installation', this);
  }

  async renew({ organizationId, workspaceId, settings }: RenewalRequest): Promise<Renewal> {
    const installationId = settings.installation ?? '';
    const found = await this.database.apart(organizationId, async (tenant) => {
      // After the claim of this generation: one that falls asleep from here on ends the generation, and with it what is minted now.
      const living = await this.subjects.all.living(tenant, [workspaceId ?? '']);
      if (living.length === 0) return 'asleep';
      const place = await this.subjects.all.gitPlaceOf(tenant, workspaceId ?? '');
      if (!place) return null;
      const { repository: fullName, repositoryId } = place;
      const repository = await installationsStore.reaching(tenant, { fullName, repositoryId });
      if (repository?.installationId !== installationId) return null;
      // The first token decides which repository the workspace is of: whoever gets the name later gets nothing of it.
      const isSame =
        repositoryId !== null ||
        (await this.subjects.all.staysWith(tenant, workspaceId ?? '', repository.repositoryId));
      return isSame ? { place, repository } : null;
    });
    if (found === 'asleep') return failed('the workspace does not run any more');
    if (!found) return failed('the installation does not reach the repository of the workspace any more');
    const { place, repository } = found;
    try {
      const narrowing = {
        repositoryIds: [Number(repository.repositoryId)],
        permissions: permissionsFor(place, repository),
      };
      const { token, expiresAt } = await mintToken(await this.app.octokit(), installationId, narrowing);
      const secret = { host: place.host, token: token.reveal() };
      return { outcome: 'renewed', renewed: { secret, hint: hintOf(secret.token), expiresAt } };
    } catch (error) {
      return this.ended(error);
    }
  }

  /**
   * Ends, at GitHub too, the tokens that a workspace has of its own: it sleeps, has failed or is deleted, and its row says so. One that is being minted meanwhile finds its generation over, and is ended by
   * whoever minted it (`unused`). Called again it ends what is left. What cannot be ended ends by itself within the hour; nobody waits for GitHub longer than for one short answer. What it needs when it wakes is
   * minted anew.
   */
  async endOf(organizationId: string, workspaceId: string): Promise<void> {
    const rows = await this.database.tenant(organizationId, (tenant) =>
      tokensStore.takeMinted(tenant, 'github_installation', workspaceId),
    );
    await this.endAll(organizationId, rows);
    // After it: who is killed in between ends them once more. One that was minted since it woke is left: nobody has ended that.
    if (rows.length > 0)
      await this.database.tenant(organizationId, (tenant) => tokensStore.forgetMinted(tenant, rows));
  }

  /** As `endOf`, of every workspace, for an installation that goes. Inside the transaction of whoever removes it: the calls follow its commit. */
  async endWith(tenant: Tenant, credentialId: string): Promise<void> {
    const sealed = await tokensStore.mintedBy(tenant, credentialId);
    tenant.afterCommit(() => this.endAll(tenant.organizationId, sealed));
  }

  /** What was minted before serves no more; what comes next is minted under the rights there are now. */
  async mintAnew(tenant: Tenant, credentialId: string): Promise<void> {
    const token = await tokensStore.find(tenant, { credentialId, workspaceId: null });
    if (token) await tokensStore.mintAnew(tenant, token, this.world.clock.now());
  }

  /** It was minted while its generation was ended: nobody was lent it. */
  unused({ workspaceId }: RenewalRequest, secret: Record<string, string>): Promise<void> {
    return this.end(workspaceId ?? '', () => Promise.resolve(secret));
  }

  private async endAll(
    organizationId: string,
    rows: { credentialId: string; workspaceId: string; sealed: string }[],
  ): Promise<void> {
    for (const { sealed, ...ref } of rows)
      await this.end(ref.workspaceId, async () => {
        const text = await this.vault.open(sealed, placeOf(organizationId, ref));
        return JSON.parse(text) as Record<string, string>;
      });
  }

  private async end(workspaceId: string, read: () => Promise<Record<string, string>>): Promise<void> {
    try {
      const { token = '' } = await read();
      await this.app
        .octokitAs(new Secret(token), `token/${workspaceId}`)
        .request('DELETE /installation/token', { request: { signal: AbortSignal.timeout(END_MS) } });
    } catch (error) {
      // It is over already: exactly what was wanted.
      if (error instanceof RequestError && error.status === 401) return;
      const reason = error instanceof RequestError ? saidBy(error) : messageOf(error);
      this.log.warn(
        { workspaceId, reason },
        'a token of a GitHub installation could not be ended; it ends within the hour',
      );
    }
  }

  private ended(error: unknown): Renewal {
    switch (endOf(error)) {
      case 'gone':
        return { outcome: 'rejected', reason: 'GitHub does not know the installation of the App any more' };
      case 'suspended':
        return failed('the installation of the App is suspended at GitHub');
      case null:
        return failed(saidBy(error));
    }
  }
}

function permissionsFor({ readOnly }: GitPlace, { permissions }: Reached): Record<string, string> {
  if (readOnly || permissions.contents !== 'write') return READ;
  // Without it a push that touches a workflow is refused, which the agent is told in words.
  return permissions.workflows === 'write' ? { ...WRITE, workflows: 'write' } : WRITE;
}

function failed(reason: string): Renewal {
  return { outcome: 'failed', reason, retryAfterSeconds: null };
}
