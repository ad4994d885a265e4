import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { z } from 'zod';
import { wrongIn, type ActivityInput } from './linear-activities.js';
import type { LinearGrant } from './linear-oauth.js';
import { connection, LinearViews, type Page } from './linear-views.js';
import type { LinearAttachment, LinearIssue, LinearOrganization, LinearSession } from './linear-world.js';

/** An error as Linear words it: the SDK tells them apart by `type`. */
export function linearError(type: string, message: string, statusCode = 400): GraphQLError {
  const code = type.toUpperCase().replaceAll(' ', '_');
  const extensions = { type, code, statusCode, userError: true, userPresentableMessage: message };
  return new GraphQLError(message, { extensions });
}

type Comparator = Partial<
  Record<'eq' | 'neq', unknown> & { eqIgnoreCase: string; in: unknown[]; nin: unknown[] }
>;

function matches(value: unknown, comparator: Comparator): boolean {
  const { eq, neq, eqIgnoreCase, in: among, nin } = comparator;
  return (
    (eq === undefined || value === eq) &&
    (neq === undefined || value !== neq) &&
    (eqIgnoreCase === undefined || String(value).toLowerCase() === eqIgnoreCase.toLowerCase()) &&
    (among === undefined || among.includes(value)) &&
    !nin?.includes(value)
  );
}

function fitting<T extends object>(
  values: Iterable<T>,
  filter: Record<string, Comparator> | null | undefined,
): T[] {
  const wanted = Object.entries(filter ?? {});
  return [...values].filter((value) =>
    wanted.every(([field, comparator]) => matches((value as Record<string, unknown>)[field], comparator)),
  );
}

interface StateFilter {
  team?: Record<string, Comparator>;
  [field: string]: Comparator | Record<string, Comparator> | undefined;
}
type Filtered<F> = Page & { filter?: F | null };

/** What may be asked and done, for one call of one caller. */
export class LinearRoots {
  readonly #views: LinearViews;

  constructor(
    private readonly organization: LinearOrganization,
    private readonly grant: LinearGrant,
    /** Linear says nothing of what becomes of an id that is there already; both are played. */
    private readonly duplicates: 'refuse' | 'same',
  ) {
    this.#views = new LinearViews(organization, grant.userId);
  }

  viewer = (): object | null => this.#views.userOf(this.grant.userId);
  organizationView = (): object => this.#views.organizationView();
  user = ({ id }: { id: string }): object => found(this.#views.userOf(id), 'User');
  users = ({ filter, ...page }: Filtered<Record<string, Comparator>>): object =>
    connection(
      fitting(this.organization.users.values(), filter).map((user) => this.#views.user(user) ?? {}),
      page,
    );
  team = ({ id }: { id: string }): object => found(this.#views.team(this.organization.teams.get(id)), 'Team');
  teams = ({ filter, ...page }: Filtered<Record<string, Comparator>>): object =>
    connection(
      fitting(this.organization.teams.values(), filter).map((team) => this.#views.team(team) ?? {}),
      page,
    );
  issue = ({ id }: { id: string }): object => found(this.#views.issue(this.organization.issue(id)), 'Issue');

  workflowState = ({ id }: { id: string }): object => {
    const state = this.organization.states.get(id);
    return found(state ? this.#views.state(state) : null, 'WorkflowState');
  };

  workflowStates = ({ filter, ...page }: Filtered<StateFilter>): object => {
    const { team, ...own } = filter ?? {};
    const teams = new Set(fitting(this.organization.teams.values(), team).map(({ id }) => id));
    const states = fitting(this.organization.states.values(), own as Record<string, Comparator>);
    return connection(states.filter(({ teamId }) => teams.has(teamId)).map(this.#views.state), page);
  };

  agentSession = ({ id }: { id: string }): object => this.#views.session(this.#session(id));
  agentSessions = (page: Page): object => {
    const sessions = [...this.organization.sessions.values()];
    sessions.sort((one, other) => other.updatedAt.getTime() - one.updatedAt.getTime());
    return connection(sessions.map(this.#views.session), page);
  };
  agentActivity = ({ id }: { id: string }): object => {
    const activity = this.organization.activities.get(id);
    return found(activity ? this.#views.activity(activity) : null, 'AgentActivity');
  };
  comment = ({ id }: { id?: string | null }): object => {
    const comment = this.organization.comments.get(id ?? '');
    return found(comment ? this.#views.comment(comment) : null, 'Comment');
  };
  attachment = ({ id }: { id: string }): object =>
    found(this.organization.attachments.get(id) ?? null, 'Attachment');

  issueRepositorySuggestions = (asked: {
    issueId: string;
    candidateRepositories: { repositoryFullName: string; hostname: string }[];
  }): object => {
    const guesses = this.organization.suggestions.get(asked.issueId) ?? [];
    const of = asked.candidateRepositories.flatMap(({ repositoryFullName, hostname }) => {
      const guess = guesses.find(({ repository }) => repository === repositoryFullName);
      return guess ? [{ repositoryFullName, hostname, confidence: guess.confidence }] : [];
    });
    return { suggestions: of.sort((one, other) => other.confidence - one.confidence) };
  };

  rateLimitStatus = (): object => ({ identifier: this.organization.id, kind: 'oauth', limits: [] });

  agentActivityCreate = ({ input }: { input: ActivityInput }): object => {
    this.#needs('write');
    const session = this.#ownSession(input.agentSessionId);
    const wrong = wrongIn(input);
    if (wrong) throw linearError('invalid input', wrong);
    const { organization } = this;
    const known = input.id ? organization.activities.get(input.id) : undefined;
    if (known) return this.#again('AgentActivity', { agentActivity: this.#views.activity(known) });
    const last = organization.activitiesOf(session.id).at(-1);
    // Shown until the next activity, and not kept.
    if (last?.ephemeral) organization.activities.delete(last.id);
    const at = organization.clock.now();
    const activity = {
      id: input.id ?? randomUUID(),
      sessionId: session.id,
      userId: this.grant.userId,
      content: input.content as { type: string },
      ephemeral: input.ephemeral ?? false,
      signal: input.signal ?? null,
      signalMetadata: input.signalMetadata ?? null,
      createdAt: at,
    };
    organization.activities.set(activity.id, activity);
    session.firstSignAt ??= at;
    session.updatedAt = at;
    return done({ agentActivity: this.#views.activity(activity) });
  };

  agentSessionUpdate = ({ id, input }: { id: string; input: SessionInput }): object => {
    this.#needs('write');
    const session = this.#ownSession(id);
    const wrong = wrongUpdate(input);
    if (wrong) throw linearError('invalid input', wrong);
    const urls = urlsAfter(session.externalUrls, input);
    if (new Set(urls.map(({ url }) => url)).size !== urls.length)
      throw linearError('invalid input', 'external URLs must be unique');
    session.externalUrls = urls;
    if (input.plan !== undefined) session.plan = input.plan;
    if (input.summary) session.summary = input.summary;
    session.updatedAt = this.organization.clock.now();
    // A summary alone is no sign of life, and neither is a plan (linear.md 2).
    if (input.externalUrls ?? input.addedExternalUrls) session.firstSignAt ??= session.updatedAt;
    return done({ agentSession: this.#views.session(session) });
  };

  issueUpdate = ({ id, input }: { id: string; input: IssueInput }): object => {
    this.#needs('write');
    const issue = this.organization.issue(id);
    if (!issue) throw notFound('Issue');
    this.#check(issue, input);
    const labels = new Set(input.labelIds ?? issue.labelIds);
    for (const label of input.addedLabelIds ?? []) labels.add(label);
    for (const label of input.removedLabelIds ?? []) labels.delete(label);
    const { stateId, delegateId, assigneeId, title, description } = input;
    Object.assign(
      issue,
      { labelIds: [...labels] },
      defined({ stateId, delegateId, assigneeId, title, description }),
    );
    return done({ issue: this.#views.issue(issue) });
  };

  commentCreate = ({ input }: { input: CommentInput }): object => {
    this.#needs('write', 'comments:create');
    const { organization } = this;
    const issue = organization.issue(input.issueId ?? '');
    if (!issue) throw notFound('Issue');
    if (!input.body) throw linearError('invalid input', 'body is missing');
    const known = input.id ? organization.comments.get(input.id) : undefined;
    if (known) return this.#again('Comment', { comment: this.#views.comment(known) });
    const comment = {
      id: input.id ?? randomUUID(),
      issueId: issue.id,
      parentId: input.parentId ?? null,
      userId: this.grant.userId,
      body: input.body,
      createdAt: organization.clock.now(),
    };
    organization.comments.set(comment.id, comment);
    return done({ comment: this.#views.comment(comment) });
  };

  attachmentLinkURL = (asked: LinkInput): object => this.#link(asked);
  attachmentLinkGitHubPR = (asked: LinkInput): object => {
    if (!/^https?:\/\/[^/]+\/[^/]+\/[^/]+\/pull\/\d+$/.test(asked.url))
      throw linearError('invalid input', 'url is not that of a pull request');
    return this.#link(asked);
  };

  /** One per issue and URL: the second one updates it. */
  #link({ issueId, url, title, id }: LinkInput): object {
    this.#needs('write');
    const issue = this.organization.issue(issueId);
    if (!issue) throw notFound('Issue');
    if (!URL.canParse(url)) throw linearError('invalid input', 'url is none');
    const known = this.organization.attachmentsOf(issue.id).find((each) => each.url === url);
    const made: LinearAttachment = known ?? { id: id ?? randomUUID(), issueId: issue.id, url, title: url };
    made.title = title ?? made.title;
    this.organization.attachments.set(made.id, made);
    return done({ attachment: this.#views.attachment(made) });
  }

  #check(issue: LinearIssue, { stateId, delegateId, assigneeId, ...labels }: IssueInput): void {
    const { states, users } = this.organization;
    if (stateId && states.get(stateId)?.teamId !== issue.teamId)
      throw linearError('invalid input', 'stateId is none of the team');
    if (delegateId && users.get(delegateId)?.app !== true)
      throw linearError('invalid input', 'delegateId must be an app user');
    if (assigneeId && users.get(assigneeId)?.app !== false)
      throw linearError('invalid input', 'assigneeId must be a person');
    const named = [...(labels.labelIds ?? []), ...(labels.addedLabelIds ?? [])];
    if (named.some((id) => !this.organization.labels.has(id))) throw notFound('IssueLabel');
  }

  #again(what: string, answer: object): object {
    if (this.duplicates === 'same') return done(answer);
    throw linearError('invalid input', `conflict on insert of ${what}`);
  }

  #session(id: string): LinearSession {
    const session = this.organization.sessions.get(id);
    if (!session) throw notFound('AgentSession');
    return session;
  }

  /** Only the app that a session is with may write into it. */
  #ownSession(id: string): LinearSession {
    const session = this.#session(id);
    if (this.grant.userId !== this.organization.appUser.id)
      throw linearError('forbidden', 'only the app of the session may do that', 403);
    return session;
  }

  #needs(...anyOf: string[]): void {
    if (!anyOf.some((scope) => this.grant.scopes.includes(scope)))
      throw linearError('forbidden', `Invalid scope: \`${anyOf[0] ?? ''}\` required`, 403);
  }
}

interface SessionInput {
  externalUrls?: ExternalUrl[] | null;
  addedExternalUrls?: ExternalUrl[] | null;
  removedExternalUrls?: string[] | null;
  plan?: unknown;
  summary?: string | null;
}
interface ExternalUrl {
  label: string;
  url: string;
}
type IssueInput = Partial<
  Record<'stateId' | 'delegateId' | 'assigneeId' | 'title' | 'description', string | null> &
    Record<'labelIds' | 'addedLabelIds' | 'removedLabelIds', string[] | null>
>;
interface CommentInput {
  id?: string | null;
  issueId?: string | null;
  parentId?: string | null;
  body?: string | null;
}
interface LinkInput {
  issueId: string;
  url: string;
  title?: string | null;
  id?: string | null;
}

const planSchema = z.array(
  z.strictObject({
    content: z.string().min(1),
    status: z.enum(['pending', 'inProgress', 'completed', 'canceled']),
  }),
);

function wrongUpdate({ plan, externalUrls, addedExternalUrls }: SessionInput): string | null {
  if (plan !== undefined && plan !== null && !planSchema.safeParse(plan).success) return 'plan is not valid';
  const urls = [...(externalUrls ?? []), ...(addedExternalUrls ?? [])];
  return urls.some(({ url, label }) => !URL.canParse(url) || label === '') ? 'an external URL is none' : null;
}

function urlsAfter(before: ExternalUrl[], input: SessionInput): ExternalUrl[] {
  const gone = new Set(input.removedExternalUrls ?? []);
  const added = input.addedExternalUrls ?? [];
  for (const { url } of added) gone.add(url);
  return [...(input.externalUrls ?? before).filter(({ url }) => !gone.has(url)), ...added];
}

const done = (answer: object): object => ({ success: true, lastSyncId: 1, ...answer });
const notFound = (what: string): GraphQLError => linearError('invalid input', `Entity not found: ${what}`);
const defined = (values: object): object =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

function found<T>(value: T | null, what: string): T {
  if (value === null) throw notFound(what);
  return value;
}
