import { z } from 'zod';
import type { ReplyContent, ReplyToSend, SendOutcome } from '../../triggers/index.js';
import { failureOf } from './api-failure.js';
import type { Bot, CommentKind } from './heard.js';
import type { GithubPlace } from './place.js';
import { advance, bodyOf, markOf, plain, statusSchema, workingBody, type Status } from './status.js';

/** Where a conversation is, as the handler writes it. */
export const subjectSchema = z.object({
  installationId: z.string(),
  repositoryId: z.string(),
  fullName: z.string(),
  number: z.int(),
  kind: z.enum(['pull', 'issue']),
  url: z.string().optional(),
  /** The commit that is asked about; its check shows how far it is. */
  headSha: z.string().optional(),
  headRef: z.string().optional(),
  isFork: z.boolean().optional(),
  /** Whether only who was let in reads there. Not known: everybody may. */
  isPrivate: z.boolean().default(false),
});
export type GithubSubject = z.input<typeof subjectSchema>;

/** What is kept of each ask: the newest of them are enough, the others are long over. */
const madeSchema = z.object({
  statuses: z.record(z.string(), statusSchema).default({}),
  lastAsk: z.string().nullable().default(null),
});
const KEPT = 20;
/** A comment that was made when its answer was lost is not older than its reply by more. */
const LOOK_BACK_MS = 24 * 3600 * 1000;

type Content<T extends ReplyContent['type']> = Extract<ReplyContent, { type: T }>;
type Final = Content<'answer' | 'failed' | 'stopped'>;
/** Of a check that is made only now the id is null. */
type OnCommit = Pick<Status, 'checkId'> & { checkSha: string };

/**
 * Says one reply. Each step of it can be done again: what takes no id of ours is looked for by its mark before it is made a second time, and the rest is an edit. Throws what the API throws.
 */
export class Saying {
  readonly #subject: z.output<typeof subjectSchema>;
  readonly #made: z.output<typeof madeSchema>;

  constructor(
    private readonly job: ReplyToSend,
    private readonly place: GithubPlace,
    private readonly bot: Bot,
  ) {
    this.#subject = subjectSchema.parse(job.conversation.subject);
    this.#made = madeSchema.parse(job.conversation.made);
  }

  async say(): Promise<SendOutcome> {
    const { content } = this.job.reply;
    switch (content.type) {
      case 'seen':
        return this.#seen();
      case 'asleep':
        return { outcome: 'dropped', reason: 'On GitHub nobody waits for it to be awake.' };
      case 'connect':
        return this.#note(connectText(content));
      case 'refused':
      case 'paused':
        return this.#note(content.text);
      case 'choose':
        return this.#note(chooseText(content));
      case 'pull-request':
        return this.#pullRequest(content);
      default:
        return this.#status(content);
    }
  }

  async #seen(): Promise<SendOutcome> {
    const { kind, id } = this.#about();
    await this.place.addEyes(kind, this.#subject.number, id);
    return { outcome: 'sent' };
  }

  #about(): { kind: CommentKind; id: string } {
    const { commentId, commentKind } = this.job.reply.about;
    if (commentId === undefined || commentKind === undefined) return { kind: 'issue', id: '' };
    return { kind: commentKind as CommentKind, id: commentId };
  }

  /** A comment of its own, where the person asked. */
  async #note(text: string): Promise<SendOutcome> {
    const externalId = await this.#once(this.#isInline() ? 'reply' : 'comment', text);
    return { outcome: 'sent', externalId };
  }

  #isInline(): boolean {
    return this.#about().kind === 'review-comment';
  }

  /** Under the mark of this reply. */
  async #once(where: 'reply' | 'comment', text: string, workspaceUrl: string | null = null): Promise<string> {
    const { number } = this.#subject;
    const mark = markOf(this.job.conversation.id, 'reply', this.job.reply.externalKey);
    const found = this.job.reply.attempts > 0 ? await this.#find(where, mark) : null;
    if (found !== null) return found;
    const body = bodyOf(mark, text, this.bot.slug, workspaceUrl);
    if (where === 'comment') return this.place.comment(number, body);
    return this.place.reply(number, this.#about().id, body);
  }

  #find(where: 'reply' | 'comment', mark: string): Promise<string | null> {
    const since = new Date(timeOfId(this.job.reply.id) - LOOK_BACK_MS);
    const { number } = this.#subject;
    return where === 'comment'
      ? this.place.findComment(number, mark, since)
      : this.place.findReply(number, mark, since);
  }

  /** New commits on the pull request that is talked on are told by GitHub itself. */
  async #pullRequest({ url, number, title, updated }: Content<'pull-request'>): Promise<SendOutcome> {
    if (updated || (this.#subject.kind === 'pull' && this.#subject.number === number))
      return { outcome: 'dropped', reason: 'GitHub shows it there.' };
    const externalId = await this.#once('comment', `Opened [${plain(`#${number} ${title}`)}](${url}).`);
    return { outcome: 'sent', externalId };
  }

  async #status(content: ReplyContent): Promise<SendOutcome> {
    const key = this.job.reply.about.askKey ?? this.#made.lastAsk ?? this.job.conversation.key;
    const before = this.#made.statuses[key] ?? statusSchema.parse({});
    const status = advance(before, content, this.#subject.isPrivate);
    if (!status) return { outcome: 'dropped', reason: 'There is no place for it on GitHub.' };
    const final = isFinal(content) ? content : null;
    const externalId = final && this.#isInline() ? await this.#answerInline(final, status) : undefined;
    const text = final ? this.#finalText(final, externalId) : workingBody(status);
    status.commentId = await this.#show(key, status, text, final !== null);
    // Begun with the comment: one that could not be made then is not tried with each step.
    if (final || before.commentId === null)
      Object.assign(status, await this.#check(key, status, final).catch(dismissed));
    return { outcome: 'sent', externalId: externalId ?? status.commentId, made: this.#keep(key, status) };
  }

  #answerInline(final: Final, { workspaceUrl }: Status): Promise<string> {
    return this.#once('reply', textOf(final), workspaceUrl);
  }

  #finalText(final: Final, replyId: string | undefined): string {
    if (replyId === undefined) return textOf(final);
    const url = `${this.job.conversation.url.replace(/#.*$/, '')}#discussion_r${replyId}`;
    return final.type === 'answer' ? `Answered [in the discussion](${url}).` : textOf(final);
  }

  /** The one comment of an ask: edited where it is there, else looked for and made. One that somebody deleted is made anew for an answer only. */
  async #show(
    key: string,
    { commentId, workspaceUrl }: Status,
    text: string,
    isFinal: boolean,
  ): Promise<string> {
    const mark = markOf(this.job.conversation.id, 'status', key);
    const body = bodyOf(mark, text, this.bot.slug, workspaceUrl);
    const isFirst = this.job.reply.content.type === 'started' && this.job.reply.attempts === 0;
    const id = commentId ?? (isFirst ? null : await this.#find('comment', mark));
    if (id === null) return this.place.comment(this.#subject.number, body);
    try {
      await this.place.edit(id, body);
      return id;
    } catch (error) {
      if (!isFinal || (error as { status?: unknown }).status !== 404) throw error;
      return this.place.comment(this.#subject.number, body);
    }
  }

  /**
   * On the commit that was asked about: in progress, then how it ended. Where the agent pushed, the end is on what it pushed, since GitHub shows the checks of the head alone. Null: there is none, as
   * on issues. That a later ask knows no commit leaves the check of this one where it is.
   */
  async #check(key: string, status: Status, final: Final | null): Promise<OnCommit | null> {
    const { kind, headSha, headRef } = this.#subject;
    const asked = status.checkSha ?? headSha;
    if (asked === undefined || kind !== 'pull') return null;
    const known = { checkId: status.checkId, checkSha: asked };
    if (!final) return this.#putCheck(key, known, status, WORKING);
    const pushed = final.pushed?.branch === headRef ? final.pushed?.commit : undefined;
    if (pushed === undefined || pushed === asked) return this.#putCheck(key, known, status, overOf(status));
    if (known.checkId !== null) await this.#putCheck(key, known, status, goneOn(pushed));
    return this.#putCheck(key, { checkId: null, checkSha: pushed }, status, overOf(status));
  }

  async #putCheck(
    key: string,
    { checkId, checkSha }: OnCommit,
    { workspaceUrl }: Status,
    how: Record<string, unknown>,
  ): Promise<OnCommit> {
    const name = this.bot.slug;
    const externalId = markOf(this.job.conversation.id, 'check', key).slice('<!-- '.length, -' -->'.length);
    const change = { ...(workspaceUrl === null ? {} : { details_url: workspaceUrl }), ...how };
    const known = checkId ?? (await this.place.findCheck(checkSha, name, externalId));
    if (known !== null) await this.place.changeCheck(known, change);
    const made =
      known ?? this.place.makeCheck({ head_sha: checkSha, name, external_id: externalId, ...change });
    return { checkId: await made, checkSha };
  }

  #keep(key: string, status: Status): { statuses: Record<string, Status>; lastAsk: string } {
    const others = Object.entries(this.#made.statuses).filter(([each]) => each !== key);
    return { statuses: Object.fromEntries([...others.slice(1 - KEPT), [key, status]]), lastAsk: key };
  }
}

const isFinal = (content: ReplyContent): content is Final =>
  content.type === 'answer' || content.type === 'failed' || content.type === 'stopped';

function textOf({ type, text }: Final): string {
  if (text.trim() !== '') return text;
  return { answer: 'Done.', failed: 'It did not work.', stopped: 'Stopped.' }[type];
}

const ENDS = {
  answered: ['success', 'Answered'],
  failed: ['failure', 'It did not work'],
  stopped: ['cancelled', 'Stopped'],
  working: ['neutral', 'Over'],
} as const;

function overOf({ state }: Status): Record<string, unknown> {
  const [conclusion, title] = ENDS[state];
  return { status: 'completed', conclusion, output: outputOf(title) };
}

function goneOn(commit: string): Record<string, unknown> {
  return { status: 'completed', conclusion: 'neutral', output: outputOf(`Goes on at ${commit.slice(0, 7)}`) };
}

const outputOf = (title: string): { title: string; summary: string } => ({
  title,
  summary: 'The comment on the pull request tells more.',
});

const WORKING = { status: 'in_progress', output: outputOf('Working on it') };

/** A check that may not be made (no permission, the commit is gone) leaves an answer without one, and no person without an answer. */
function dismissed(error: unknown): null {
  const { kind } = failureOf(error, 0, new Date(0));
  if (kind === 'missing' || kind === 'refused') return null;
  throw error;
}

function connectText({ url, person }: Content<'connect'>): string {
  const name = person.handle === null ? '' : ` ${plain(person.handle)},`;
  return `I do not know yet who you are here,${name || ' and'} so I cannot work for you. [Connect your GitHub account](${url}): then I go on by myself.`;
}

function chooseText({ question, options }: Content<'choose'>): string {
  return [plain(question), ...options.map(({ label }) => `- ${plain(label)}`)].join('\n');
}

/** UUIDv7: its first 48 bits are milliseconds. */
function timeOfId(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}
