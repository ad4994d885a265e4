import { statusOf } from './linear-activities.js';
import type {
  LinearActivity,
  LinearAttachment,
  LinearComment,
  LinearIssue,
  LinearOrganization,
  LinearSession,
  LinearState,
  LinearTeam,
  LinearUser,
} from './linear-world.js';

/** Records of an organization as GraphQL shows them. What a view leaves out is null, or empty where it may not be null (`linear-graphql.ts`). */
export class LinearViews {
  constructor(
    private readonly organization: LinearOrganization,
    private readonly viewerId: string,
  ) {}

  organizationView(): object {
    const { id, urlKey } = this.organization;
    return { id, urlKey, name: urlKey };
  }

  user = (user: LinearUser | undefined): object | null =>
    user
      ? {
          ...user,
          displayName: user.name.toLowerCase().replaceAll(/\s+/g, ''),
          isMe: user.id === this.viewerId,
          url: `https://linear.app/${this.organization.urlKey}/profiles/${user.id}`,
          supportsAgentSessions: user.app,
        }
      : null;

  userOf = (id: string | null): object | null =>
    id === null ? null : this.user(this.organization.users.get(id));

  team = (team: LinearTeam | undefined): object | null =>
    team
      ? {
          ...team,
          displayName: team.name,
          states: () => connection(this.organization.statesOf(team.id).map(this.state)),
        }
      : null;

  state = (state: LinearState): object => ({
    ...state,
    team: () => this.team(this.organization.teams.get(state.teamId)),
  });

  issue = (issue: LinearIssue | undefined): object | null => {
    const { organization } = this;
    if (!issue) return null;
    const label = (id: string): object => ({ ...organization.labels.get(id), id });
    return {
      ...issue,
      identifier: organization.identifierOf(issue),
      url: organization.urlOf(issue),
      priorityLabel: 'No priority',
      team: () => this.team(organization.teams.get(issue.teamId)),
      state: () => this.state(organization.stateOf(issue)),
      project: () => organization.projects.get(issue.projectId ?? '') ?? null,
      assignee: () => this.userOf(issue.assigneeId),
      delegate: () => this.userOf(issue.delegateId),
      creator: () => this.userOf(issue.creatorId),
      labels: () => connection(issue.labelIds.map(label)),
      attachments: () => connection(organization.attachmentsOf(issue.id).map(this.attachment)),
      comments: () =>
        connection(
          [...organization.comments.values()].filter(({ issueId }) => issueId === issue.id).map(this.comment),
        ),
    };
  };

  comment = (comment: LinearComment): object => ({ ...comment, user: () => this.userOf(comment.userId) });

  attachment = (attachment: LinearAttachment): object => ({ ...attachment });

  session = (session: LinearSession): object => {
    const { organization } = this;
    const comment = organization.comments.get(session.commentId);
    return {
      ...session,
      status: statusOf(organization, session),
      type: 'commentThread',
      url: sessionUrl(organization, session),
      externalLinks: session.externalUrls,
      issue: () => this.issue(organization.issues.get(session.issueId)),
      creator: () => this.userOf(session.creatorId),
      appUser: () => this.user(organization.appUser),
      comment: () => (comment ? this.comment(comment) : null),
      activities: (page: Page) => connection(organization.activitiesOf(session.id).map(this.activity), page),
    };
  };

  activity = (activity: LinearActivity): object => {
    const { organization } = this;
    const session = organization.sessions.get(activity.sessionId);
    return {
      ...activity,
      content: { __typename: `AgentActivity${capital(activity.content.type)}Content`, ...activity.content },
      user: () => this.userOf(activity.userId),
      sourceComment: () => {
        const comment = organization.comments.get(activity.sourceCommentId ?? '');
        return comment ? this.comment(comment) : null;
      },
      agentSession: () => (session ? this.session(session) : null),
    };
  };
}

/** Where a session shows in Linear. */
export function sessionUrl(organization: LinearOrganization, { issueId, id }: LinearSession): string {
  const issue = organization.issues.get(issueId);
  return `${issue ? organization.urlOf(issue) : ''}#agent-session-${id.slice(0, 8)}`;
}

export interface Page {
  first?: number | null;
  last?: number | null;
  after?: string | null;
}

/** A page of a list: 50 unless something else is asked for, and 250 at most. */
export function connection(nodes: object[], { first, last, after }: Page = {}): object {
  const start = after ? nodes.findIndex((node) => (node as { id?: string }).id === after) + 1 : 0;
  const rest = nodes.slice(start);
  const page = last ? rest.slice(-last) : rest.slice(0, Math.min(first ?? 50, 250));
  return {
    nodes: page,
    pageInfo: {
      hasNextPage: !last && page.length < rest.length,
      hasPreviousPage: start > 0,
      startCursor: (page[0] as { id?: string } | undefined)?.id ?? null,
      endCursor: (page.at(-1) as { id?: string } | undefined)?.id ?? null,
    },
  };
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
