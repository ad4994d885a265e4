import { Injectable } from '@nestjs/common';
import { Database } from '../../database/index.js';
import { ExternalAccounts, type ExternalPerson } from '../../identity/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { Asks, Stops, type Ask, type Handled } from '../../triggers/index.js';
import { failureOf, orMissing } from './api-failure.js';
import { isFork, judge, type GateFacts, type Verdict } from './gates.js';
import { GithubEvents, type GithubDelivery } from './github-events.js';
import { hear, type Bot, type Spoken } from './heard.js';
import type { GithubPerson, GithubPull } from './payload.js';
import type { GithubPlace } from './place.js';
import { promptOf, titleOf } from './prompt.js';
import { GithubReach } from './reach.js';
import type { GithubSubject } from './saying.js';
import { surroundingsOf, type Surroundings } from './surroundings.js';

const EMPTY = {
  reason: 'empty-request',
  text: 'You mentioned me without a request. Mention me again and say what I should do.',
};
/** Where GitHub is not to be reached. */
const RETRY_SECONDS = 15;

/** Makes asks of deliveries of GitHub: what was said, who said it and whether they may, what it is about. Decides nothing beyond. */
@Injectable()
export class GithubHandler {
  constructor(
    private readonly reach: GithubReach,
    private readonly database: Database,
    private readonly accounts: ExternalAccounts,
    private readonly asks: Asks,
    private readonly stops: Stops,
    private readonly events: GithubEvents,
    private readonly world: World,
  ) {}

  /** Throws with a time to come again when GitHub is not to be reached, or lets nobody through. */
  async handle(delivery: GithubDelivery): Promise<Handled> {
    const bot = await this.reach.bot();
    if (!bot) return { outcome: 'ignored-no-app' };
    const heard = hear(delivery.event, delivery.action, delivery.body, bot);
    if ('spoken' in heard) return this.hearOut(delivery, heard.spoken, bot);
    if ('deleted' in heard) return this.takeBack(delivery, heard.deleted);
    const handler = heard.untold ? this.events.handlerOf(delivery.event) : undefined;
    return { outcome: handler ? await handler(delivery) : heard.outcome };
  }

  private async hearOut({ organizationId, id }: GithubDelivery, spoken: Spoken, bot: Bot): Promise<Handled> {
    // Of ten thousand deliveries of one comment, one asks GitHub for anything; and of what goes in circles none.
    const conversationKey = conversationKeyOf(spoken);
    const known = await this.asks.known(organizationId, {
      ...{ system: 'github', key: spoken.key, conversationKey, cause: conversationKey },
      askerId: spoken.author.id,
    });
    if (known.outcome !== null) return { outcome: known.outcome };
    try {
      const asking = new Asking(organizationId, spoken, bot, this.reach, (person) =>
        this.memberOf(organizationId, person),
      );
      const verdict = await asking.judged();
      if ('outcome' in verdict) return verdict;
      const ask = await asking.ask(id, verdict.pass);
      ask.beginsAnew = known.beginsAnew;
      ask.isConnected = (tenant) => this.reach.isLiving(tenant, spoken.installationId);
      const { outcome, workspaceId } = await this.asks.take(ask);
      return { outcome, ...(workspaceId === undefined ? {} : { workspaceId }) };
    } catch (error) {
      if (error instanceof BerthError && error.code === 'not-connected')
        return { outcome: 'ignored-installation-suspended' };
      throw this.passing(error);
    }
  }

  /** Whoever deletes what was asked does not want it any more, or does not want it said. Told before the comment itself, or while it is worked on: it comes to the same. */
  private takeBack({ organizationId }: GithubDelivery, spoken: Spoken): Promise<Handled> {
    return this.stops.withdraw({
      organizationId,
      system: 'github',
      key: spoken.key,
      conversation: conversationOf(spoken, null),
      asker: personOf(spoken.author),
      text: 'Stopped: the comment that asked for it was deleted.',
    });
  }

  private async memberOf(organizationId: string, person: ExternalPerson) {
    return this.database.tenant(organizationId, (tenant) => this.accounts.find(tenant, person));
  }

  private passing(error: unknown): unknown {
    const { status } = (error ?? {}) as { status?: unknown };
    if (error instanceof BerthError || typeof status !== 'number') return error;
    const failure = failureOf(error, 0, this.world.clock.now());
    if (failure.kind !== 'limited' && failure.kind !== 'passing') return error;
    const retryAfterSeconds = failure.kind === 'limited' ? failure.retryAfterSeconds : RETRY_SECONDS;
    return new BerthError('not-ready', 'GitHub takes no calls at the moment.', {
      cause: error,
      retryAfterSeconds,
    });
  }
}

/** One request, while what it takes is gathered. */
class Asking {
  readonly #facts: GateFacts = { installation: 'known' };
  #place: GithubPlace | null = null;

  constructor(
    private readonly organizationId: string,
    private readonly spoken: Spoken,
    private readonly bot: Bot,
    private readonly reach: GithubReach,
    private readonly memberOf: (
      person: ExternalPerson,
    ) => Promise<{ outcome: 'linked' | 'unlinked' | 'refused' }>,
  ) {}

  async judged(): Promise<Exclude<Verdict, { need: string }>> {
    for (;;) {
      const verdict = judge(this.#facts);
      if (!('need' in verdict)) return verdict;
      if (verdict.need === 'member')
        this.#facts.member = (await this.memberOf(personOf(this.spoken.author))).outcome;
      else await this.askGithub(verdict.need);
    }
  }

  private async askGithub(need: 'permission' | 'pull'): Promise<void> {
    const { subject, author } = this.spoken;
    try {
      const place = await this.place();
      if (need === 'permission')
        this.#facts.permission = await orMissing(place.permissionOf(author), 'none' as const);
      else
        this.#facts.pull =
          subject.kind === 'issue' ? 'none' : await orMissing(place.pull(subject.number), 'gone' as const);
    } catch (error) {
      if (!(error instanceof BerthError) || error.code !== 'not-connected') throw error;
      this.#facts.installation = 'suspended';
    }
  }

  private async place(): Promise<GithubPlace> {
    const { installationId, repository } = this.spoken;
    const at = { installationId, repositoryId: repository.id, fullName: repository.fullName };
    this.#place ??= await this.reach.placeOf(this.organizationId, at, this.bot);
    return this.#place;
  }

  async ask(
    deliveryRowId: string,
    { readOnly, refusal }: Extract<Verdict, { pass: unknown }>['pass'],
  ): Promise<Ask> {
    const { spoken } = this;
    const found = this.#facts.pull;
    const pull = typeof found === 'object' ? found : null;
    // Who is refused, or only told how to connect, is not worth a look around.
    const around = refusal ? null : await surroundingsOf(spoken, await this.place());
    const text = around && promptOf({ spoken, slug: this.bot.slug, pull, readOnly, ...around });
    const why = refusal ?? (text === null ? EMPTY : null);
    return {
      organizationId: this.organizationId,
      system: 'github',
      key: spoken.key,
      deliveryRowId,
      conversation: conversationOf(spoken, pull),
      asker: personOf(spoken.author),
      text: text ?? '',
      characters: spoken.text.length,
      title: titleOf(spoken),
      mayStart: true,
      readOnly,
      place: workplaceOf(spoken, pull, readOnly),
      about: aboutOf(spoken, around),
      ...(why ? { refusal: why } : {}),
    };
  }
}

function conversationKeyOf({ repository, subject }: Spoken): string {
  return `repository/${repository.id}/${subject.kind}/${subject.number}`;
}

function personOf({ id, login }: GithubPerson): ExternalPerson {
  return {
    ...{ system: 'github', externalId: id, handle: login, name: null },
    // Nothing a delivery says of an address would be worth anything.
    ...{ email: null, emailProven: false, isApp: false, isActive: true },
  };
}

/** About a review only what its own delivery tells, where nobody looked around: its place is its comment. */
function aboutOf({ kind, comment }: Spoken, around: Surroundings | null): Surroundings['about'] {
  const commentId = kind === 'review' ? comment.nodeId : comment.id;
  return around?.about ?? { commentId, commentKind: kind };
}

function conversationOf(spoken: Spoken, pull: GithubPull | null): Ask['conversation'] {
  const subject = { ...subjectOf(spoken, pull) };
  return { key: conversationKeyOf(spoken), url: spoken.subject.url, subject };
}

function subjectOf({ installationId, repository, subject }: Spoken, pull: GithubPull | null): GithubSubject {
  const { kind, number, url } = subject;
  return {
    ...{ installationId, repositoryId: repository.id, fullName: repository.fullName, kind, number, url },
    isPrivate: repository.isPrivate,
    ...(pull ? { headSha: pull.head.sha, headRef: pull.head.ref, isFork: isFork(pull) } : {}),
  };
}

/** The branch of the pull request itself; of a fork, or where the branch may be gone, what the pull request is, to be read. */
function workplaceOf(
  { repository, installationId }: Spoken,
  pull: GithubPull | null,
  readOnly: boolean,
): Ask['place'] {
  const place = { repository: repository.fullName, repositoryId: repository.id };
  if (!pull) return place;
  const { number, html_url: url, head, base } = pull;
  const pullRequest = {
    ...{ url, number, repositoryId: repository.id, installationId },
    ...{ headRef: head.ref, headSha: head.sha, base: base.ref, isFork: isFork(pull) },
  };
  if (readOnly) return { ...place, ref: `refs/pull/${number}/head`, pullRequest };
  return { ...place, branch: head.ref, pullRequest };
}
