import { z } from 'zod';
import type { InstallationFacts, RepositoryFacts } from '../../../credentials/index.js';

const idSchema = z.int().positive().transform(String);

/** An installation as GitHub's API tells of it. */
const installationSchema = z.object({
  id: idSchema,
  account: z.object({
    id: idSchema,
    login: z.string().optional(),
    slug: z.string().optional(),
    type: z.string().optional(),
  }),
  repository_selection: z.string(),
  permissions: z.record(z.string(), z.string().optional()),
  suspended_at: z.string().nullish(),
});

const repositorySchema = z.object({
  id: idSchema,
  full_name: z.string(),
  default_branch: z.string().nullish(),
  private: z.boolean(),
  archived: z.boolean().nullish(),
});

/** Throws ZodError for what is none. */
export function installationTold(data: unknown): InstallationFacts {
  const { id, account, repository_selection, permissions, suspended_at } = installationSchema.parse(data);
  const granted = Object.entries(permissions).flatMap(([name, level]) => (level ? [[name, level]] : []));
  return {
    installationId: id,
    accountId: account.id,
    accountLogin: account.login ?? account.slug ?? account.id,
    accountType: account.type ?? 'Enterprise',
    selection: repository_selection,
    permissions: Object.fromEntries(granted) as Record<string, string>,
    suspendedAt: suspended_at ? new Date(suspended_at) : null,
  };
}

/** Throws ZodError for what is none. */
export function repositoryTold(data: unknown): RepositoryFacts {
  const { id, full_name, default_branch, ...rest } = repositorySchema.parse(data);
  return {
    repositoryId: id,
    fullName: full_name,
    defaultBranch: default_branch ?? null,
    private: rest.private,
    archived: rest.archived ?? false,
  };
}

const memberPageSchema = z.object({
  organization: z.object({
    membersWithRole: z.object({
      nodes: z.array(
        z
          .object({
            databaseId: idSchema,
            login: z.string(),
            name: z.string().nullish(),
            organizationVerifiedDomainEmails: z.array(z.string()),
          })
          .nullable(),
      ),
      pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
    }),
  }),
});

export interface ToldMember {
  id: string;
  login: string;
  name: string | null;
  /** Verified, in a domain that GitHub knows to be the organization's. */
  emails: string[];
}

export const MEMBERS = `query ($login: String!, $after: String) {
  organization(login: $login) {
    membersWithRole(first: 100, after: $after) {
      nodes { databaseId login name organizationVerifiedDomainEmails(login: $login) }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

/** One page of an organization's members, and where the next one begins; null: it was the last. */
export function membersTold(data: unknown): { members: ToldMember[]; next: string | null } {
  const { nodes, pageInfo } = memberPageSchema.parse(data).organization.membersWithRole;
  const members = nodes.flatMap((node) =>
    node
      ? [
          {
            id: node.databaseId,
            login: node.login,
            name: node.name ?? null,
            emails: node.organizationVerifiedDomainEmails,
          },
        ]
      : [],
  );
  return { members, next: pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null };
}
