import type { RepositorySource } from '../contracts/index.js';

/** Name and email as git takes them. */
export interface CommitAuthor {
  name: string;
  email: string;
}

/** The host that stands in sources on GitHub, whichever GitHub that is by configuration. */
const GITHUB = 'github.com/';

/**
 * As whom a member's work is committed. On GitHub by the address that GitHub itself makes of an account's id, if they connected theirs: it survives that they rename themselves, shows the commit as theirs, and
 * publishes no address of theirs (github.md, "Answering"). Elsewhere, or without an account, by the address they have in Berth.
 */
export function commitAuthorOf(
  member: CommitAuthor,
  account: { externalId: string; handle: string | null } | null,
  source: RepositorySource,
): CommitAuthor {
  const isOnGithub = source.type === 'https' && source.path.startsWith(GITHUB);
  // A handle is letters, digits and hyphens, and underscores of managed users; whatever else is told is not put into an address.
  if (!isOnGithub || !account || !/^\d+$/.test(account.externalId)) return member;
  if (account.handle === null || !/^[A-Za-z0-9_-]+$/.test(account.handle)) return member;
  const { externalId, handle } = account;
  return { name: member.name, email: `${externalId}+${handle}@users.noreply.github.com` };
}
