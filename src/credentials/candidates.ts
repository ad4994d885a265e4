import type { Tenant } from '../database/index.js';
import { credentialsStore, type CandidateRow } from './credentials.store.js';
import { installationsStore } from './github/installations.store.js';
import type { CredentialSettings } from './kind.js';
import type { ServedAgent, ServedGit } from './served.js';

/** What a member is served for, whoever it is. */
type Work = Omit<ServedAgent, 'userId'> | Omit<ServedGit, 'userId'>;

/**
 * What may serve each of these members for the same work: for git, of the repository's host alone, and the installation of the GitHub App that reaches it. Nothing serves where the name is known to
 * be another repository's by now: work on the one must not go to the other. `githubUrl`: the GitHub of this Berth.
 */
export async function candidatesAmong(
  tenant: Tenant,
  work: Work,
  userIds: string[],
  githubUrl: string,
): Promise<Map<string, CandidateRow[]>> {
  const all = await credentialsStore.candidatesAmong(tenant, work.organizationOnly ? [] : userIds);
  const serving = await servingAmong(tenant, work, all, githubUrl);
  // Another member's own is never among them.
  return new Map(
    userIds.map((id) => [
      id,
      serving.filter(({ scope, userId }) => scope === 'organization' || userId === id),
    ]),
  );
}

/** Of these, what may serve this work, whoever asks for it. */
async function servingAmong(
  tenant: Tenant,
  work: Work,
  all: CandidateRow[],
  githubUrl: string,
): Promise<CandidateRow[]> {
  if (!('gitHost' in work)) return all;
  const installation = isGithub(work.gitHost, githubUrl) ? await installationFor(tenant, work) : [];
  if (installation === 'of-another') return [];
  // What a git token may do is known to its host alone: where nothing may write, none is lent.
  if (work.readOnly) return installation;
  const ofHost = all.filter(({ settings }) => (settings as CredentialSettings).host === work.gitHost);
  return [...installation, ...ofHost];
}

async function installationFor(
  tenant: Tenant,
  { repository: fullName, repositoryId }: Omit<ServedGit, 'userId'>,
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
