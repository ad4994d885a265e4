import {
  issueEventSchema,
  notificationSchema,
  sessionEventSchema,
  teamAccessSchema,
  type SessionEvent,
} from './payload.js';

/** Who Berth is in a Linear organization. */
export interface Self {
  appUserId: string;
  name: string;
}

/** Somebody as a webhook names them; whether they are active, and a person at all, is asked after. */
export interface HeardPerson {
  id: string;
  name: string | null;
  email: string | null;
}

/** How it came to be asked: the issue was given to Berth, Berth was mentioned, or somebody wrote into the session. */
export type AskedBy = 'delegation' | 'mention' | 'prompt';

/** Something to be done in a session. */
export interface HeardAsk {
  what: 'ask';
  by: AskedBy;
  /** Of the meaning: the session that was begun, or the activity. */
  key: string;
  /** When, by Linear's clock: what happened there is put in order by it, and not by when it was told. */
  at: Date | null;
  session: HeardSession;
  /** Null: no person, but an automation or another app. */
  person: HeardPerson | null;
  /** What they wrote; null: the issue itself is what is to be done. */
  text: string | null;
  /** The comment that says who wrote it, and what, where that is not in what was told; null: the person wrote the text. */
  writtenIn: string | null;
  guidance: string[];
}

export interface HeardSession {
  id: string;
  url: string;
  issueId: string;
  identifier: string;
  title: string;
  description: string;
  teamId: string | null;
  /** Begun by a delegation, and not by a mention. */
  isDelegated: boolean;
}

export type Ignored = `ignored-${string}`;

/** What a delivery tells. `nothing`: why nothing is done. */
export type Heard =
  | HeardAsk
  | { what: 'stop'; key: string; at: Date | null; sessionId: string; person: HeardPerson | null }
  | { what: 'undelegated'; key: string; at: Date | null; issueId: string }
  | { what: 'revoked' }
  | { what: 'team-access-changed'; key: string; removedTeamIds: string[] }
  | { what: 'nothing'; outcome: Ignored };

const nothing = (outcome: Ignored): Heard => ({ what: 'nothing', outcome });

/** What a delivery of Linear says to Berth. Pure: the signature was checked before, and who people are to us is asked after. */
export function hear(event: string, action: string | null, body: unknown, self: Self): Heard {
  switch (event) {
    case 'AgentSessionEvent':
      return inSession(action, body, self);
    case 'Issue':
      return ofIssue(action, body, self);
    case 'AppUserNotification':
      return ofInbox(action, body);
    case 'OAuthApp':
      return action === 'revoked' ? { what: 'revoked' } : nothing('ignored-action');
    case 'PermissionChange':
      return ofPermissions(action, body);
    default:
      return nothing('ignored-event');
  }
}

/**
 * Why nothing is to be done about a delivery, where that is so whoever Berth is there; null: to be found out. What goes on in issues all day, by the thousand, is known by this for what it is.
 */
export function newsOf(event: string, action: string | null, body: unknown): Ignored | null {
  if (event === 'AgentSessionEvent' || (event === 'Issue' && tellsOfDelegate(body))) return null;
  const heard = hear(event, action, body, NOBODY);
  return heard.what === 'nothing' ? heard.outcome : null;
}

const NOBODY: Self = { appUserId: '', name: '' };

function tellsOfDelegate(body: unknown): boolean {
  const parsed = issueEventSchema.safeParse(body);
  return Boolean(parsed.data?.updatedFrom?.delegateId);
}

function inSession(action: string | null, body: unknown, self: Self): Heard {
  if (action !== 'created' && action !== 'prompted') return nothing('ignored-action');
  const parsed = sessionEventSchema.safeParse(body);
  if (!parsed.success) return nothing('ignored-malformed');
  if (parsed.data.appUserId !== self.appUserId) return nothing('ignored-other-app');
  return action === 'created' ? begun(parsed.data, self) : prompted(parsed.data, self);
}

function begun(event: SessionEvent, self: Self): Heard {
  const { agentSession } = event;
  const { creator, creatorId, comment } = agentSession;
  const software = bySoftware(agentSession, self);
  if (software) return nothing(software);
  const session = sessionOf(agentSession);
  if (!session) return nothing('ignored-without-issue');
  return {
    what: 'ask',
    by: session.isDelegated ? 'delegation' : 'mention',
    key: `session/${session.id}`,
    at: agentSession.createdAt,
    session,
    person: personOf(creator, creatorId),
    text: session.isDelegated ? null : (comment?.body ?? ''),
    writtenIn: session.isDelegated ? null : unprovenSource(agentSession),
    guidance: (event.guidance ?? []).flatMap(({ body }) => (body ? [body] : [])),
  };
}

/** Its own words must not make it work for itself: where a session is nobody's, or begun by a comment, who wrote that says whose they are. */
function bySoftware(session: SessionEvent['agentSession'], self: Self): Ignored | null {
  const { creator, creatorId, comment } = session;
  if ((creator?.id ?? creatorId ?? comment?.userId) === self.appUserId) return 'ignored-own';
  const isMention = !isDelegated(session) && isOfTold(session);
  if (isMention && comment?.userId === self.appUserId) return 'ignored-own';
  return isApp(creator) ? 'ignored-app' : null;
}

/**
 * Whose a session is, is who is responsible for it: also of one that an agent began by a comment of its own, on somebody's behalf (linear.md 2). So who wrote the words is known only where the comment that is told is the
 * one that it was begun by, and theirs. A mention in a thread is told with the first comment of the thread that the session was given.
 */
function unprovenSource(session: SessionEvent['agentSession']): string | null {
  const { creator, creatorId, comment } = session;
  const person = creator?.id ?? creatorId ?? null;
  const isTheirs = isOfTold(session) && comment?.userId === person;
  return person === null || isTheirs ? null : sourceOf(session);
}

/** The comment that a session was begun by, as far as that is told. */
function sourceOf({ comment, sourceCommentId, sourceMetadata }: SessionEvent['agentSession']): string | null {
  return sourceCommentId ?? sourceMetadata?.agentSessionMetadata?.sourceCommentId ?? comment?.id ?? null;
}

/** Whether the comment that is told is the one that it was begun by. */
const isOfTold = (session: SessionEvent['agentSession']): boolean =>
  sourceOf(session) === (session.comment?.id ?? null);

/** The beginning of the session that something was written into, which each delivery holds; null: it was not for Berth, or tells too little. */
export function beginningOf(body: unknown, self: Self): HeardAsk | null {
  const parsed = sessionEventSchema.safeParse(body);
  const heard = parsed.success ? begun(parsed.data, self) : null;
  return heard?.what === 'ask' ? heard : null;
}

/** The users of apps have their addresses there (linear.md 2). Who is an app and has another is known as one when Linear is asked. */
function isApp(person: { email?: string | null | undefined } | null | undefined): boolean {
  return person?.email?.toLowerCase().endsWith('@oauthapp.linear.app') ?? false;
}

function isDelegated({ comment, sourceCommentId, sourceMetadata }: SessionEvent['agentSession']): boolean {
  const written = comment?.body ?? '';
  const isBySource = sourceMetadata?.type === 'comment' || Boolean(sourceCommentId);
  return !isBySource && (written.trim() === '' || isStub(written));
}

/** What Linear itself writes above a session that a delegation began. Taken for the request it would make a useless one (linear.md 2). */
const isStub = (text: string): boolean => /^\s*this thread is for an agent session\b/i.test(text);

function prompted(event: SessionEvent, self: Self): Heard {
  const { agentActivity: activity, agentSession } = event;
  if (!activity) return nothing('ignored-malformed');
  if ((activity.user?.id ?? activity.userId) === self.appUserId) return nothing('ignored-own');
  if (isApp(activity.user)) return nothing('ignored-app');
  // People write nothing else (linear.md 2).
  if ((activity.content?.type ?? 'prompt') !== 'prompt') return nothing('ignored-no-prompt');
  const person = personOf(activity.user, activity.userId);
  const key = `activity/${activity.id}`;
  const at = activity.createdAt;
  // The signal counts, and not the word: "stop" may be what the code is about.
  if (activity.signal === 'stop') return { what: 'stop', key, at, sessionId: agentSession.id, person };
  const session = sessionOf(agentSession);
  if (!session) return nothing('ignored-without-issue');
  const text = activity.content?.body ?? '';
  if (text.trim() === '') return nothing('ignored-empty');
  return { what: 'ask', by: 'prompt', key, at, session, person, text, writtenIn: null, guidance: [] };
}

function sessionOf(session: SessionEvent['agentSession']): HeardSession | null {
  const { id, url, issue, issueId } = session;
  const of = issue?.id ?? issueId;
  if (!of) return null;
  const teamId = issue?.team?.id ?? null;
  const place = { id, url: url ?? issue?.url ?? '', issueId: of, teamId };
  return { ...place, isDelegated: isDelegated(session), ...wordsOf(issue) };
}

function wordsOf(issue: SessionEvent['agentSession']['issue']) {
  const { identifier, title, description } = issue ?? {};
  return { identifier: identifier ?? '', title: title ?? '', description: description ?? '' };
}

function personOf(
  person:
    { id: string; name?: string | null | undefined; email?: string | null | undefined } | null | undefined,
  id: string | null | undefined,
): HeardPerson | null {
  if (person) return { id: person.id, name: person.name ?? null, email: person.email ?? null };
  return id ? { id, name: null, email: null } : null;
}

/** Work begins with the session that Linear makes of it, and never with this: both are sent. */
function ofIssue(action: string | null, body: unknown, self: Self): Heard {
  const parsed = issueEventSchema.safeParse(body);
  if (!parsed.success) return nothing('ignored-malformed');
  if (action !== 'update') return nothing('ignored-issue');
  const { data, updatedFrom } = parsed.data;
  const was = updatedFrom?.delegateId;
  if (was === self.appUserId && data.delegateId !== self.appUserId) return undelegated(data.id, body);
  return nothing('ignored-issue');
}

function ofInbox(action: string | null, body: unknown): Heard {
  if (action !== 'issueUnassignedFromYou') return nothing('ignored-notification');
  const parsed = notificationSchema.safeParse(body);
  const issueId = parsed.data?.notification.issue?.id ?? parsed.data?.notification.issueId;
  return issueId ? undelegated(issueId, body) : nothing('ignored-malformed');
}

/** Told by two events of one moment: by the minute they are the same, and what happens in another is not. */
function undelegated(issueId: string, body: unknown): Heard {
  const created = createdIn(body);
  const time = Date.parse(created);
  const at = Number.isNaN(time) ? null : new Date(time);
  return { what: 'undelegated', key: `undelegated/${issueId}/${created.slice(0, MINUTE)}`, at, issueId };
}

/** Of a time in ISO 8601, up to its minute. */
const MINUTE = '2026-03-02T09:15'.length;

function createdIn(body: unknown): string {
  const { createdAt } = body as { createdAt?: unknown };
  return typeof createdAt === 'string' ? createdAt : '';
}

function ofPermissions(action: string | null, body: unknown): Heard {
  if (action !== 'teamAccessChanged') return nothing('ignored-action');
  const parsed = teamAccessSchema.safeParse(body);
  return parsed.success
    ? {
        what: 'team-access-changed',
        key: `team-access/${createdIn(body)}`,
        removedTeamIds: parsed.data.removedTeamIds,
      }
    : nothing('ignored-malformed');
}
