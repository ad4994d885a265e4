import { buildSchema, graphql } from 'graphql';
import { admit, authorOf, permits } from './github-access.js';
import { route, type GithubCall, type GithubRoute } from './github-call.js';
import { react, REACTIONS } from './github-conversations.js';
import type {
  GithubOrganization,
  GithubRepository,
  GithubUser,
  GithubWorld,
  GithubReaction,
} from './github-world.js';

/** The parts of GitHub's schema that are used; names and types as in its own. */
const SCHEMA = buildSchema(`
  type Query { organization(login: String!): Organization  user(login: String!): User  node(id: ID!): Node }
  interface Node { id: ID! }
  type User implements Node {
    id: ID!
    databaseId: Int
    login: String!
    name: String
    organizationVerifiedDomainEmails(login: String!): [String!]!
  }
  type PageInfo { hasNextPage: Boolean!  endCursor: String }
  type OrganizationMemberConnection { nodes: [User]  pageInfo: PageInfo!  totalCount: Int! }
  type Organization implements Node {
    id: ID!
    databaseId: Int
    login: String!
    membersWithRole(first: Int, after: String): OrganizationMemberConnection!
  }
  enum ReactionContent { THUMBS_UP THUMBS_DOWN LAUGH HOORAY CONFUSED HEART ROCKET EYES }
  type Reaction implements Node { id: ID!  content: ReactionContent!  databaseId: Int }
  input AddReactionInput { subjectId: ID!  content: ReactionContent!  clientMutationId: String }
  type AddReactionPayload { reaction: Reaction  clientMutationId: String }
  type Mutation { addReaction(input: AddReactionInput!): AddReactionPayload }
`);

const CONTENTS: Record<string, string> = { THUMBS_UP: '+1', THUMBS_DOWN: '-1' };
const LARGEST_PAGE = 100;

/** GraphQL at its own path, beside the REST calls. */
export function graphqlRoute(world: GithubWorld): GithubRoute {
  return route('POST /graphql', async (call) => {
    const { query, variables } = call.body;
    const result = await graphql({
      schema: SCHEMA,
      source: String(query),
      variableValues: (variables ?? {}) as Record<string, unknown>,
      rootValue: rootOf(world, call),
    });
    return { status: 200, body: result };
  });
}

function rootOf(world: GithubWorld, call: GithubCall): Record<string, unknown> {
  return {
    organization: ({ login }: { login: string }) => {
      const organization = world.organization(login);
      return organization ? organizationNode(world, call, organization) : null;
    },
    user: ({ login }: { login: string }) => {
      const user = world.user(login);
      return user ? userNode(world, call, user) : null;
    },
    addReaction: ({ input }: { input: { subjectId: string; content: string } }) =>
      addReaction(world, call, input.subjectId, input.content),
  };
}

/** With `members: read`, of the installation's own organization. */
function mayReadMembers({ caller }: GithubCall, organization: GithubOrganization): boolean {
  if (caller.by === 'user') return organization.members.has(caller.user.id);
  if (caller.by !== 'installation') return false;
  return (
    caller.installation.account.id === organization.id && permits(caller.permissions, ['members'], 'read')
  );
}

function organizationNode(world: GithubWorld, call: GithubCall, organization: GithubOrganization): unknown {
  return {
    id: `O_${organization.id}`,
    databaseId: organization.id,
    login: organization.login,
    membersWithRole: ({ first, after }: { first?: number; after?: string }) => {
      if (first === undefined || first > LARGEST_PAGE) throw new Error('`first` must be between 1 and 100.');
      if (!mayReadMembers(call, organization)) throw new Error('Resource not accessible by integration');
      const all = [...organization.members.keys()].flatMap((id) => world.users.get(id) ?? []);
      const from = after === undefined ? 0 : Number(after);
      const nodes = all.slice(from, from + first).map((user) => userNode(world, call, user));
      const end = from + nodes.length;
      return {
        nodes,
        totalCount: all.length,
        pageInfo: { hasNextPage: end < all.length, endCursor: nodes.length > 0 ? String(end) : null },
      };
    },
  };
}

function userNode(world: GithubWorld, call: GithubCall, user: GithubUser): unknown {
  return {
    id: `U_${user.id}`,
    databaseId: user.id,
    login: user.login,
    name: user.name,
    organizationVerifiedDomainEmails: ({ login }: { login: string }) => {
      const organization = world.organization(login);
      if (!organization || !mayReadMembers(call, organization)) return [];
      return organization.verifiedDomainEmails.get(user.id) ?? [];
    },
  };
}

function addReaction(world: GithubWorld, call: GithubCall, subjectId: string, content: string): unknown {
  const found = subjectOf(world, subjectId);
  if (!found) throw new Error(`Could not resolve to a node with the global id of '${subjectId}'`);
  admit(world, call, found.repository, ['pull_requests'], 'write');
  const name = CONTENTS[content] ?? content.toLowerCase();
  if (!REACTIONS.includes(name)) throw new Error('unknown content');
  const reaction = { id: world.nextId(), content: name, user: authorOf(call).user };
  const { id } = react(found.reactions, reaction) ?? reaction;
  return { reaction: { id: `REA_${id}`, databaseId: id, content } };
}

function subjectOf(
  world: GithubWorld,
  nodeId: string,
): { repository: GithubRepository; reactions: GithubReaction[] } | null {
  for (const repository of world.repositories.values()) {
    const all = [...repository.comments, ...repository.reviews, ...repository.pulls.values()];
    const subject = all.find((one) => one.nodeId === nodeId);
    if (subject) return { repository, reactions: subject.reactions };
  }
  return null;
}
