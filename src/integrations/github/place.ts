import { z } from 'zod';
import type { CommentKind } from './heard.js';
import { lineCommentSchema, pullSchema, type GithubLineComment, type GithubPull } from './payload.js';

/** What of Octokit is used: a call by its route, and GraphQL. */
export interface GithubApi {
  request: (
    route: string,
    parameters?: Record<string, unknown>,
  ) => Promise<{ status: number; data: unknown }>;
  graphql: (query: string, variables?: Record<string, unknown>) => Promise<unknown>;
}

const PAGE = 100;
/** Pages that are looked through for a comment of ours, or for the comments of a review: newest first where GitHub sorts. */
const MAX_PAGES = 10;
const REACTIONS: Partial<Record<CommentKind, string>> = {
  'issue-comment': 'issues/comments/{id}',
  'review-comment': 'pulls/comments/{id}',
};

const idSchema = z.object({ id: z.int().transform(String) });
const ownSchema = idSchema.extend({
  body: z.string().nullish(),
  user: z.object({ login: z.string() }).nullish(),
  performed_via_github_app: idSchema.nullish(),
});
const checksSchema = z.object({
  check_runs: z.array(idSchema.extend({ external_id: z.string().nullish() })),
});
const namedSchema = z.object({ full_name: z.string() });
/** Also for what the token does not reach: another's repository, be it private or public. */
const REFUSED = new Set<unknown>([403, 404]);
const permissionSchema = z.object({
  permission: z.enum(['admin', 'write', 'read', 'none']).catch('none'),
  user: z.object({ id: z.int().transform(String) }).nullish(),
});
const reviewSchema = z.object({
  node_id: z.string(),
  body: z
    .string()
    .nullish()
    .transform((body) => body ?? ''),
});
const ADD_EYES = `mutation ($id: ID!) { addReaction(input: { subjectId: $id, content: EYES }) { clientMutationId } }`;

/** What is done in one repository: each method is one thing at GitHub. Throws what Octokit throws. */
export class GithubPlace {
  #at: { owner: string; repo: string };
  #lookedUp: Promise<void> | null = null;
  #writes = 0;

  constructor(
    private readonly api: GithubApi,
    private readonly repository: { repositoryId: string; fullName: string },
    private readonly bot: { slug: string; appId: string },
    /** After it nothing is sent any more: another may be on it. */
    private readonly signal?: AbortSignal,
  ) {
    this.#at = ownerAndName(repository.fullName);
  }

  /** How often something was written here, or tried to be: that is what GitHub counts (github.md 6). */
  get writes(): number {
    return this.#writes;
  }

  async pull(number: number): Promise<GithubPull> {
    return pullSchema.parse(await this.#get('pulls/{number}', { number }));
  }

  /**
   * What a person may do here. The call knows people by login only, and a login may be another's by now: then it is none. `maintain` counts as write here, `triage` as read (github.md 5).
   */
  async permissionOf(person: { id: string; login: string }): Promise<'admin' | 'write' | 'read' | 'none'> {
    const data = await this.#get('collaborators/{login}/permission', { login: person.login });
    const { permission, user } = permissionSchema.parse(data);
    return user?.id === person.id ? permission : 'none';
  }

  async review(number: number, id: string): Promise<{ text: string; nodeId: string }> {
    const data = await this.#get('pulls/{number}/reviews/{id}', { number, id });
    const { body, node_id: nodeId } = reviewSchema.parse(data);
    return { text: body, nodeId };
  }

  /** The comments on lines of a pull request, oldest first; of very many, the newest. */
  async lineComments(number: number): Promise<GithubLineComment[]> {
    const found = await this.#pages('pulls/{number}/comments', {
      number,
      sort: 'created',
      direction: 'desc',
    });
    return found
      .flatMap((item) => lineCommentSchema.safeParse(item).data ?? [])
      .sort((one, other) => Number(one.id) - Number(other.id));
  }

  /** Says that something was seen. The same again changes nothing. Reviews take it by GraphQL alone, and have their node id here. */
  async addEyes(kind: CommentKind, number: number, id: string): Promise<void> {
    if (kind === 'review') {
      this.#writes += 1;
      await this.api.graphql(ADD_EYES, { id, request: this.#bounds() });
      return;
    }
    const path = REACTIONS[kind] ?? 'issues/{number}';
    await this.#send('POST', `${path}/reactions`, { number, id, content: 'eyes' });
  }

  async comment(number: number, body: string): Promise<string> {
    return idOf(await this.#send('POST', 'issues/{number}/comments', { number, body }));
  }

  async edit(id: string, body: string): Promise<void> {
    await this.#send('PATCH', 'issues/comments/{id}', { id, body });
  }

  /** Our comment with this mark. Anybody could write the mark; only we write as us. */
  async findComment(number: number, mark: string, since: Date): Promise<string | null> {
    return this.#own(
      await this.#pages('issues/{number}/comments', { number, since: since.toISOString() }),
      mark,
    );
  }

  /** Answers below a comment on a line. Its thread is one level deep: what answers an answer goes to the first of them. */
  async reply(number: number, commentId: string, body: string): Promise<string> {
    const first = lineCommentSchema.parse(await this.#get('pulls/comments/{id}', { id: commentId }));
    const id = first.in_reply_to_id ?? first.id;
    return idOf(await this.#send('POST', 'pulls/{number}/comments/{id}/replies', { number, id, body }));
  }

  async findReply(number: number, mark: string, since: Date): Promise<string | null> {
    const asked = { number, since: since.toISOString(), sort: 'created', direction: 'desc' };
    return this.#own(await this.#pages('pulls/{number}/comments', asked), mark);
  }

  async makeCheck(check: Record<string, unknown>): Promise<string> {
    return idOf(await this.#send('POST', 'check-runs', check));
  }

  async changeCheck(id: string, change: Record<string, unknown>): Promise<void> {
    await this.#send('PATCH', 'check-runs/{id}', { id, ...change });
  }

  async findCheck(sha: string, name: string, externalId: string): Promise<string | null> {
    const asked = { sha, check_name: name, filter: 'all', per_page: PAGE };
    const { check_runs: found } = checksSchema.parse(await this.#get('commits/{sha}/check-runs', asked));
    return found.find(({ external_id }) => external_id === externalId)?.id ?? null;
  }

  #own(comments: unknown[], mark: string): string | null {
    const login = `${this.bot.slug}[bot]`.toLowerCase();
    for (const each of comments) {
      const { data } = ownSchema.safeParse(each);
      const isOurs =
        data?.performed_via_github_app?.id === this.bot.appId || data?.user?.login.toLowerCase() === login;
      if (data && isOurs && data.body?.startsWith(mark)) return data.id;
    }
    return null;
  }

  async #pages(path: string, parameters: Record<string, unknown>): Promise<unknown[]> {
    const found: unknown[] = [];
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const items = z
        .array(z.unknown())
        .parse(await this.#get(path, { ...parameters, per_page: PAGE, page }));
      found.push(...items);
      if (items.length < PAGE) break;
    }
    return found;
  }

  async #get(path: string, parameters: Record<string, unknown>): Promise<unknown> {
    return this.#ask('GET', path, parameters);
  }

  /** Not tried again by the client: an answer that was lost may have been a yes, and whoever asks again looks first. */
  #send(method: string, path: string, parameters: Record<string, unknown>): Promise<unknown> {
    return this.#ask(method, path, parameters);
  }

  /** What is refused under a name that is another's by now was not done, and is asked for once more under the one that the repository has. */
  async #ask(method: string, path: string, parameters: Record<string, unknown>): Promise<unknown> {
    const isWrite = method !== 'GET';
    const call = async (): Promise<unknown> => {
      const request = { ...this.#bounds(), ...(isWrite ? { retries: 0 } : {}) };
      if (isWrite) this.#writes += 1;
      const route = `${method} /repos/{owner}/{repo}/${path}`;
      return (await this.api.request(route, { ...this.#at, ...parameters, request })).data;
    };
    const under = this.#at;
    try {
      return await call();
    } catch (error) {
      if (!REFUSED.has((error as { status?: unknown }).status)) throw error;
      await (this.#lookedUp ??= this.#lookUp());
      if (this.#at === under) throw error;
      return call();
    }
  }

  /** By its number, which nobody else ever gets. The event that tells of a new name may be on its way still. */
  async #lookUp(): Promise<void> {
    const asked = { id: this.repository.repositoryId, request: this.#bounds() };
    const answer = await this.api.request('GET /repositories/{id}', asked).catch(() => null);
    const { data: now } = namedSchema.safeParse(answer?.data);
    if (now && now.full_name.toLowerCase() !== this.repository.fullName.toLowerCase())
      this.#at = ownerAndName(now.full_name);
  }

  #bounds(): { signal?: AbortSignal } {
    this.signal?.throwIfAborted();
    return this.signal ? { signal: this.signal } : {};
  }
}

function idOf(data: unknown): string {
  return idSchema.parse(data).id;
}

function ownerAndName(fullName: string): { owner: string; repo: string } {
  const [owner = '', repo = ''] = fullName.split('/');
  return { owner, repo };
}
