import { GithubInstallations } from '../../src/credentials/index.js';
import type { Actor } from '../../src/identity/index.js';
import { fullNameOf, type GithubInstallation, type GithubRepository } from '../emulators/github-world.js';
import type { TestApp, TestOrganization } from './app.js';

/** Ties an organization to an emulated installation and the repositories that it reaches, as though an admin had connected them. */
export async function connectGithub(
  { app }: TestApp,
  { id: organizationId, owner }: TestOrganization,
  installation: GithubInstallation,
  repositories: readonly GithubRepository[],
): Promise<void> {
  const { userId, name, email, role, apiKeyId } = owner;
  const via = { type: 'api-key', id: apiKeyId, organizationId } as const;
  const actor: Actor = { organizationId, userId, name, email, role, via };
  const facts = {
    installationId: String(installation.id),
    accountId: String(installation.account.id),
    accountLogin: installation.account.login,
    accountType: installation.account.type,
    selection: installation.selection,
    permissions: installation.permissions as Record<string, string>,
    suspendedAt: null,
  };
  const reached = repositories.map((repository) => ({
    repositoryId: String(repository.id),
    fullName: fullNameOf(repository),
    defaultBranch: repository.defaultBranch,
    private: repository.private,
    archived: repository.archived,
  }));
  await app.get(GithubInstallations, { strict: false }).tie(actor, facts, reached, () => Promise.resolve());
}
