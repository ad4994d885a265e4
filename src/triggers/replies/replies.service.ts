import { Inject, Injectable } from '@nestjs/common';
import type { ExternalSystem } from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import { crashPoint, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import { storedReplySchema, type ReplyAbout, type ReplyContent } from './content.js';
import { repliesStore } from './replies.store.js';
import type { ReplySender } from './sender.js';

/** What is to be said. */
export interface NewReply {
  /** Of its cause: added again under the same key it is not said twice. */
  key: string;
  content: ReplyContent;
  about?: ReplyAbout;
}

/** What Berth says at other systems. A reply is a row first; how it is said, the integration of its system knows. */
@Injectable()
export class Replies {
  readonly #senders = new Map<string, ReplySender>();
  readonly #silences = new Map<string, number>();

  constructor(
    private readonly world: World,
    private readonly queue: JobQueue,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /**
   * For integrations, which say how their system is answered: the arrow points down. `maxSilenceSeconds`: so long after the last word there a turn that goes on is said to (src/triggers/follow); not given: silence is
   * taken for nothing there.
   */
  sentBy(
    system: ExternalSystem,
    sender: ReplySender,
    { maxSilenceSeconds }: { maxSilenceSeconds?: number } = {},
  ): void {
    this.#senders.set(system, sender);
    if (maxSilenceSeconds !== undefined) this.#silences.set(system, maxSilenceSeconds);
  }

  /** The systems that take silence for an end, and how many seconds of it are too many. */
  get maxSilences(): ReadonlyMap<string, number> {
    return this.#silences;
  }

  /** Null: this system is not answered by this process. */
  senderOf(system: string): ReplySender | null {
    return this.#senders.get(system) ?? null;
  }

  /** Adds what is to be said in a conversation, behind what was added before. Locks the conversation's row: to be done after whatever locks a workspace's. */
  async add(tenant: Tenant, conversationId: string, { key, content, about = {} }: NewReply): Promise<void> {
    const isNew = await repliesStore.add(tenant, conversationId, {
      id: this.world.ids.next(),
      key,
      stored: storedReplySchema.parse({ content, about }),
      at: this.world.clock.now(),
    });
    if (!isNew) return;
    tenant.afterCommit(() => {
      crashPoint('reply.written');
      return this.ask({ organizationId: tenant.organizationId, conversationId });
    });
  }

  /** Wakes a worker for a conversation; never throws, since the rhythm finds it as well. */
  async ask(conversation: { organizationId: string; conversationId: string }): Promise<void> {
    await this.queue.add('conversation.reply', conversation).catch((error: unknown) => {
      this.log.warn(
        { reason: messageOf(error) },
        'could not ask for replies to be said; they are found later',
      );
    });
  }
}
