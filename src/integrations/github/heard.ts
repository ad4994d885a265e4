import { mentions } from './mention.js';
import { spokenSchemas, type GithubLineComment, type GithubPerson } from './payload.js';
import { bearsMark } from './status.js';
import type { z } from 'zod';

/** Who Berth is at GitHub. The slug is that of the App as it was made, never a constant. */
export interface Bot {
  slug: string;
  appId: string;
}

export type CommentKind = 'issue-comment' | 'review-comment' | 'review' | 'pull-request' | 'issue';

/** Somebody spoke to the bot. */
export interface Spoken {
  /**
   * Of the meaning: repository and comment. However often it is delivered, and whatever of it is edited, it is asked once. The comments of one review have one key, for they are asked at once; one
   * that is edited afterwards is asked on its own.
   */
  key: string;
  installationId: string;
  /** `isPrivate`: nobody reads it but who was let in, one by one (what is `internal` a whole enterprise reads). */
  repository: { id: string; fullName: string; isPrivate: boolean };
  kind: CommentKind;
  comment: { id: string; nodeId: string; url: string };
  /** Who wrote it, and nobody else's words are in it. */
  author: GithubPerson;
  text: string;
  subject: { kind: 'pull' | 'issue'; number: number; title: string; body: string; url: string };
  /** Of comments on a line. */
  line: GithubLineComment | null;
  /** To be read as a whole. */
  reviewId: string | null;
}

/** `outcome` names why nothing is done. `untold`: nothing is said in such an event, or by such an action. */
export type Heard =
  | { spoken: Spoken }
  /** A comment that spoke to the bot is gone. One of a review is a part of it, and takes nothing back. */
  | { deleted: Spoken }
  | { outcome: Ignored; untold?: true };

export type Ignored = `ignored-${string}`;

type Event = keyof typeof spokenSchemas;
type Payload = { [E in Event]: { event: E } & z.output<(typeof spokenSchemas)[E]> }[Event];

const ACTIONS: Record<Event, readonly string[]> = {
  issue_comment: ['created'],
  pull_request_review_comment: ['created'],
  pull_request_review: ['submitted'],
  pull_request: ['opened'],
  issues: ['opened'],
};

/** What a delivery says to the bot, if anything. The signature is checked long before; who the author is to us is asked after. */
export function hear(event: string, action: string | null, body: unknown, bot: Bot): Heard {
  if (!isSpoken(event)) return { outcome: 'ignored-event', untold: true };
  const isEdit = action === 'edited';
  const isDeleted = action === 'deleted' && event === 'issue_comment';
  if (!isEdit && !isDeleted && !ACTIONS[event].includes(action ?? ''))
    return { outcome: 'ignored-action', untold: true };
  const parsed = spokenSchemas[event].safeParse(body);
  if (!parsed.success) return { outcome: withoutInstallation(body) ?? 'ignored-malformed' };
  const payload = { event, ...parsed.data } as Payload;
  const words = wordsOf(payload);
  const outcome =
    bySoftware(payload.sender, words, bot) ??
    // Whoever may delete what somebody wrote does.
    (isDeleted ? null : byOther(payload.sender, words)) ??
    unspoken(payload, words, isEdit, bot);
  if (outcome) return { outcome };
  const spoken = spokenOf(payload, words, isEdit);
  return isDeleted ? { deleted: spoken } : { spoken };
}

function isSpoken(event: string): event is Event {
  return Object.hasOwn(spokenSchemas, event);
}

/** Webhooks of a repository or organization send the same events, for no tenant. */
function withoutInstallation(body: unknown): 'ignored-no-installation' | null {
  const isObject = typeof body === 'object' && body !== null;
  return isObject && !('installation' in body) ? 'ignored-no-installation' : null;
}

interface Words {
  kind: CommentKind;
  id: string;
  node_id: string;
  html_url: string;
  body: string;
  user: GithubPerson | null;
  via: string | null;
}

function wordsOf(payload: Payload): Words {
  switch (payload.event) {
    case 'issue_comment':
      return words('issue-comment', payload.comment);
    case 'pull_request_review_comment':
      return words('review-comment', payload.comment);
    case 'pull_request_review':
      return words('review', payload.review);
    case 'pull_request':
      return words('pull-request', payload.pull_request);
    case 'issues':
      return words('issue', payload.issue);
  }
}

function words(
  kind: CommentKind,
  said: Omit<Words, 'kind' | 'via'> & { performed_via_github_app?: string | null },
): Words {
  return { ...said, kind, via: said.performed_via_github_app ?? null };
}

/**
 * Software is not answered, or two of it would talk for ever. What a member's token wrote through an App has their name and says which App it was (github.md 5): whether they wrote it themselves nobody knows. And what
 * begins with a mark of ours are our words, whoever sends them back.
 */
function bySoftware(sender: GithubPerson, { user, via, body }: Words, { slug, appId }: Bot): Ignored | null {
  const own = `${slug}[bot]`.toLowerCase();
  const people = user ? [sender, user] : [sender];
  if (via === appId || bearsMark(body) || people.some(({ login }) => login.toLowerCase() === own))
    return 'ignored-own';
  const isPeople = people.every(({ type, login }) => type === 'User' && !login.endsWith('[bot]'));
  if (!isPeople) return 'ignored-bot';
  return via === null ? null : 'ignored-other-app';
}

/** Whoever edits what somebody else wrote would speak in their name, and have it done with their credentials. */
function byOther(sender: GithubPerson, { user }: Words): Ignored | null {
  return user?.id === sender.id ? null : 'ignored-not-by-author';
}

function unspoken({ changes }: Payload, { body }: Words, isEdit: boolean, { slug }: Bot): Ignored | null {
  // A title or a base was edited.
  if (isEdit && !changes?.body) return 'ignored-text-unchanged';
  if (!mentions(body, slug)) return 'ignored-no-mention';
  return isEdit && mentions(changes?.body?.from ?? '', slug) ? 'ignored-mentioned-before' : null;
}

function spokenOf(
  payload: Payload,
  { kind, id, node_id, html_url, body, user }: Words,
  isEdit: boolean,
): Spoken {
  const { installation, repository } = payload;
  const line = payload.event === 'pull_request_review_comment' ? payload.comment : null;
  const reviewId = isEdit ? null : kind === 'review' ? id : (line?.pull_request_review_id ?? null);
  const on = 'issue' in payload ? payload.issue : payload.pull_request;
  const isPull = !('issue' in payload) || Boolean(payload.issue.pull_request);
  return {
    key: `${repository.id}/${reviewId === null ? node_id : `review/${reviewId}`}`,
    installationId: installation.id,
    repository: {
      id: repository.id,
      fullName: repository.full_name,
      isPrivate: repository.private === true && (repository.visibility ?? 'private') === 'private',
    },
    kind,
    comment: { id, nodeId: node_id, url: html_url },
    author: user ?? payload.sender,
    text: body,
    subject: {
      kind: isPull ? 'pull' : 'issue',
      number: on.number,
      title: on.title,
      body: on.body,
      url: on.html_url,
    },
    line,
    reviewId,
  };
}
