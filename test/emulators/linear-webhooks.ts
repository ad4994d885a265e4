import { createHmac, randomUUID } from 'node:crypto';
import { statusOf } from './linear-activities.js';
import { sessionUrl } from './linear-views.js';
import type {
  LinearActivity,
  LinearIssue,
  LinearOrganization,
  LinearSession,
  LinearUser,
} from './linear-world.js';

/** One delivery, and what became of it. */
export interface LinearDelivery {
  id: string;
  event: string;
  /** As sent, signed and all. */
  body: string;
  /** Null: no answer within five seconds. */
  status: number | null;
  milliseconds: number;
}

const DEADLINE_MS = 5_000;

/** What goes to the app's one webhook address. */
export class LinearWebhooks {
  /** Null: nothing is sent, and deliveries stand as unanswered. */
  url: string | null = null;
  readonly deliveries: LinearDelivery[] = [];

  constructor(
    private readonly app: { clientId: string; webhookSecret: string },
    private readonly now: () => Date,
  ) {}

  sign(body: string, secret = this.app.webhookSecret): string {
    return createHmac('sha256', secret).update(body).digest('hex');
  }

  /** Sends a payload as it is, but for the time, which is now unless one is given. */
  send(
    payload: object,
    more: { id?: string; timestamp?: number; signature?: string } = {},
  ): Promise<LinearDelivery> {
    const body = JSON.stringify({ ...payload, webhookTimestamp: more.timestamp ?? this.now().getTime() });
    const event = (payload as { type?: string }).type ?? '';
    return this.#deliver({ id: more.id ?? randomUUID(), event, body }, more.signature ?? this.sign(body));
  }

  /** The same again, as a retry: same delivery, same bytes. */
  again(id: string): Promise<LinearDelivery> {
    const known = this.deliveries.find((delivery) => delivery.id === id);
    if (!known) throw new Error('no such delivery in the emulator');
    return this.#deliver(known, this.sign(known.body));
  }

  async #deliver(
    { id, event, body }: Pick<LinearDelivery, 'id' | 'event' | 'body'>,
    signature: string,
  ): Promise<LinearDelivery> {
    const delivery: LinearDelivery = { id, event, body, status: null, milliseconds: 0 };
    this.deliveries.push(delivery);
    if (this.url === null) return delivery;
    const begun = performance.now();
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Linear-Webhook',
      'linear-delivery': id,
      'linear-event': event,
      'linear-signature': signature,
    };
    try {
      const signal = AbortSignal.timeout(DEADLINE_MS);
      const answer = await fetch(this.url, { method: 'POST', headers, body, signal });
      await answer.arrayBuffer();
      delivery.status = answer.status;
    } catch {
      // Not taken, which stands in `status`.
    }
    delivery.milliseconds = performance.now() - begun;
    return delivery;
  }

  /** `AgentSessionEvent`, in the shape of the fixtures. */
  sessionEvent(
    organization: LinearOrganization,
    session: LinearSession,
    activity: LinearActivity | null,
  ): object {
    const head = this.#head(organization, 'AgentSessionEvent', activity ? 'prompted' : 'created');
    const common = {
      ...head,
      appUserId: organization.appUser.id,
      agentSession: sessionPayload(organization, session),
    };
    if (activity) return { ...common, agentActivity: activityPayload(organization, activity) };
    const issue = organization.issues.get(session.issueId);
    return {
      ...common,
      previousComments: null,
      guidance: null,
      promptContext: contextOf(organization, issue),
    };
  }

  notification(
    organization: LinearOrganization,
    action: string,
    issue: LinearIssue,
    actor: LinearUser,
  ): object {
    return {
      ...this.#head(organization, 'AppUserNotification', action),
      appUserId: organization.appUser.id,
      notification: {
        id: randomUUID(),
        type: action,
        userId: organization.appUser.id,
        actorId: actor.id,
        actor: personPayload(organization, actor),
        issueId: issue.id,
        issue: issuePayload(organization, issue),
      },
    };
  }

  revoked(organization: LinearOrganization): object {
    return this.#head(organization, 'OAuthApp', 'revoked');
  }

  teamAccess(organization: LinearOrganization, addedTeamIds: string[], removedTeamIds: string[]): object {
    return {
      ...this.#head(organization, 'PermissionChange', 'teamAccessChanged'),
      appUserId: organization.appUser.id,
      canAccessAllPublicTeams: false,
      addedTeamIds,
      removedTeamIds,
    };
  }

  #head({ id, webhookId }: LinearOrganization, type: string, action: string): object {
    return {
      type,
      action,
      createdAt: this.now().toISOString(),
      organizationId: id,
      oauthClientId: this.app.clientId,
      webhookId,
    };
  }
}

function personPayload({ urlKey }: LinearOrganization, { id, name, email }: LinearUser): object {
  return { id, name, email, avatarUrl: null, url: `https://linear.app/${urlKey}/profiles/${id}` };
}

function issuePayload(organization: LinearOrganization, issue: LinearIssue): object {
  const { id, title, teamId, description } = issue;
  const team = organization.teams.get(teamId);
  return {
    id,
    title,
    teamId,
    team: { ...team },
    identifier: organization.identifierOf(issue),
    url: organization.urlOf(issue),
    description,
  };
}

function sessionPayload(organization: LinearOrganization, session: LinearSession): object {
  const { id, creatorId, commentId, issueId, sourceMetadata, createdAt, updatedAt } = session;
  const creator = creatorId === null ? undefined : organization.users.get(creatorId);
  const comment = organization.comments.get(commentId);
  const issue = organization.issues.get(issueId);
  return {
    id,
    createdAt,
    updatedAt,
    archivedAt: null,
    creatorId,
    appUserId: organization.appUser.id,
    organizationId: organization.id,
    commentId,
    sourceCommentId: null,
    issueId,
    startedAt: null,
    endedAt: null,
    status: statusOf(organization, session),
    type: 'commentThread',
    summary: session.summary,
    url: sessionUrl(organization, session),
    sourceMetadata,
    creator: creator ? personPayload(organization, creator) : null,
    comment: comment && { id: comment.id, body: comment.body, userId: comment.userId, issueId },
    issue: issue && issuePayload(organization, issue),
  };
}

function activityPayload(organization: LinearOrganization, activity: LinearActivity): object {
  const { id, sessionId, createdAt, content, signal, signalMetadata, userId } = activity;
  const user = organization.users.get(userId);
  return {
    id,
    agentSessionId: sessionId,
    createdAt,
    updatedAt: createdAt,
    archivedAt: null,
    content,
    signal,
    signalMetadata,
    sourceCommentId: activity.sourceCommentId ?? null,
    userId,
    user: user && personPayload(organization, user),
  };
}

function contextOf(organization: LinearOrganization, issue: LinearIssue | undefined): string {
  if (!issue) return '';
  const { title, description } = issue;
  return `<issue identifier="${organization.identifierOf(issue)}">\n<title>${title}</title>\n<description>${description ?? ''}</description>\n</issue>`;
}
