import type { Tenant } from '../database/index.js';
import { credentialsStore, type CandidateRow } from './credentials.store.js';
import { installationsStore } from './github/installations.store.js';
import type { CredentialSettings } from './kind.js';
import type { ServedGit, ServedMember } from './served.js';

/**
 * What may serve a member: for git, of the repository's host alone, and the installation of the GitHub App that reaches it. Nothing serves where the name is known to be another repository's by
 * now: work on the one must not go to the other. `githubUrl`: the GitHub of this Berth.
 */
export async function candidatesFor(
  tenant: Tenant,
  member: ServedMember,
  githubUrl: string,
): Promise<CandidateRow[]> {
  const all = await credentialsStore.candidatesFor(tenant, member.userId);
  const rows = member.organizationOnly ? all.filter(({ scope }) => scope === 'organization') : all;
  if (!('gitHost' in member)) return rows;
  const installation = isGithub(member.gitHost, githubUrl) ? await installationFor(tenant, member) : [];
  if (installation === 'of-another') return [];
  // What a git token may do is known to its host alone: where nothing may write, none is lent.
  if (member.readOnly) return installation;
  const ofHost = rows.filter(({ settings }) => (settings as CredentialSettings).host === member.gitHost);
  return [...installation, ...ofHost];
}

async function installationFor(
  tenant: Tenant,
  { repository: fullName, repositoryId }: ServedGit,
): Promise<CandidateRow[] | 'of-another'> {
  const reached = await installationsStore.reaching(tenant, { fullName, repositoryId });
  if (!reached && repositoryId !== null) {
    const isTaken = await installationsStore.reaching(tenant, { fullName, repositoryId: null });
    return isTaken ? 'of-another' : [];
  }
  const row = reached && (await credentialsStore.candidate(tenant, reached.credentialId));
  return row ? [row] : [];
}

/** `github.com` stands for the GitHub of this Berth (BERTH_GITHUB_URL), which may be an Enterprise Server with a name of its own. */
function isGithub(host: string, webUrl: string): boolean {
  return host === 'github.com' || host === new URL(webUrl).host;
}
