import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SystemStore, type BehindConversation } from '../../database/index.js';
import { followedOfTopic, WorkspaceFeed, type Followed } from '../../events/index.js';
import { LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobHandlers, JobQueue } from '../../queue/index.js';
import { Sweep } from '../../workspaces/index.js';
import { Replies } from '../replies/replies.service.js';
import { Following } from './following.service.js';

/** An agent tells many times a second; its conversations are told once. */
const PAUSE_MS = 1_000;
const PAGE = 500;

/** Following's part in processes that work: it hears of new events, and finds those that nobody heard of. */
@Injectable()
export class FollowRhythm implements OnModuleDestroy {
  /** Workspaces that were asked for within the last second, and whether they told more since. */
  readonly #pausing = new Map<string, { timer: NodeJS.Timeout; again: boolean }>();

  constructor(
    private readonly system: SystemStore,
    private readonly queue: JobQueue,
    private readonly replies: Replies,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    following: Following,
    feed: WorkspaceFeed,
    handlers: JobHandlers,
    sweep: Sweep,
  ) {
    handlers.add('conversation.follow', ({ organizationId, workspaceId }) =>
      following.follow(organizationId, workspaceId),
    );
    feed.onEvery((topic) => {
      const followed = followedOfTopic(topic);
      if (followed) this.heard(followed);
    });
    sweep.also(() => this.askForAll());
  }

  onModuleDestroy(): void {
    for (const { timer } of this.#pausing.values()) clearTimeout(timer);
    this.#pausing.clear();
  }

  /** Asks for every workspace whose conversations were not told of all of its events, or heard nothing for too long. */
  async askForAll(): Promise<void> {
    const { conversations } = this.system;
    await this.askFor((after) => conversations.behind(after, PAGE));
    for (const [system, seconds] of this.replies.maxSilences) {
      const since = new Date(this.world.clock.now().getTime() - seconds * 1000);
      await this.askFor((after) => conversations.silent(system, since, after, PAGE));
    }
  }

  private async askFor(pageAfter: (after: string | null) => Promise<BehindConversation[]>): Promise<void> {
    for (let after: string | null = null; ;) {
      const page = await pageAfter(after);
      for (const { organizationId, workspaceId } of page) await this.ask({ organizationId, workspaceId });
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      after = last.conversationId;
    }
  }

  private heard(followed: Followed): void {
    const pausing = this.#pausing.get(followed.workspaceId);
    if (pausing) {
      pausing.again = true;
      return;
    }
    void this.ask(followed);
    const timer = setTimeout(() => {
      const isAgain = this.#pausing.get(followed.workspaceId)?.again;
      this.#pausing.delete(followed.workspaceId);
      if (isAgain) this.heard(followed);
    }, PAUSE_MS);
    this.#pausing.set(followed.workspaceId, { timer: timer.unref(), again: false });
  }

  private async ask(followed: Followed): Promise<void> {
    await this.queue.add('conversation.follow', followed).catch((error: unknown) => {
      this.log.warn(
        { reason: messageOf(error) },
        'could not ask for a workspace to be followed; it is found later',
      );
    });
  }
}
