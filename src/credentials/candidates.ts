import type { Tenant } from '../database/index.js';
import { credentialsStore, type CandidateRow } from './credentials.store.js';
import { installationsStore } from './github/installations.store.js';
import type { CredentialSettings } from './kind.js';
import type { ServedGit, ServedMember } from './served.js';

/** What may serve a member: for git, of the repository's host alone, and the installation of the GitHub App that reaches it. `githubUrl`: the GitHub of this Berth. */
export async function candidatesFor(
  tenant: Tenant,
  member: ServedMember,
  githubUrl: string,
): Promise<CandidateRow[]> {
  const all = await credentialsStore.candidatesFor(tenant, member.userId);
  const rows = member.organizationOnly ? all.filter(({ scope }) => scope === 'organization') : all;
  if (!('gitHost' in member)) return rows;
  const installation = isGithub(member.gitHost, githubUrl) ? await installationFor(tenant, member) : [];
  // What a git token may do is known to its host alone: where nothing may write, none is lent.
  if (member.readOnly) return installation;
  const ofHost = rows.filter(({ settings }) => (settings as CredentialSettings).host === member.gitHost);
  return [...installation, ...ofHost];
}

async function installationFor(tenant: Tenant, { repository }: ServedGit): Promise<CandidateRow[]> {
  const reached = await installationsStore.reaching(tenant, repository);
  const row = reached && (await credentialsStore.candidate(tenant, reached.credentialId));
  return row ? [row] : [];
}

/** `github.com` stands for the GitHub of this Berth (BERTH_GITHUB_URL), which may be an Enterprise Server with a name of its own. */
function isGithub(host: string, webUrl: string): boolean {
  return host === 'github.com' || host === new URL(webUrl).host;
}
