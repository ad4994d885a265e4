import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SystemStore } from '../../database/index.js';
import { LOG, messageOf, METRICS, World, type Log, type Metrics } from '../../kernel/index.js';
import { JobHandlers, JobQueue } from '../../queue/index.js';
import { Replies } from './replies.service.js';
import { Sending } from './sending.service.js';

/** Of replies that pause, and of those whose job was lost. */
const RHYTHM_MS = 1_000;
/** So many conversations in one round. */
const PER_ROUND = 500;

/**
 * Replies' part in processes that work. Every second it asks for what is due by the rows: what pauses needs no job that sleeps, and a job that was lost delays a reply by a second. Each process does,
 * since what makes lost jobs good must not be one of them (rule 3).
 */
@Injectable()
export class ReplyRhythm implements OnModuleDestroy {
  #rhythm: NodeJS.Timeout | null = null;
  #round: Promise<void> | null = null;

  constructor(
    private readonly system: SystemStore,
    private readonly replies: Replies,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
    @Inject(METRICS) metrics: Metrics,
    sending: Sending,
    queue: JobQueue,
    handlers: JobHandlers,
  ) {
    handlers.add('conversation.reply', async ({ organizationId, conversationId }) => {
      const isDone = await sending.send(organizationId, conversationId);
      if (!isDone) await queue.add('conversation.reply', { organizationId, conversationId });
    });
    metrics.watch('berth_replies_oldest_waiting_seconds', async () => [
      { labels: {}, value: await this.oldestSeconds() },
    ]);
  }

  start(): void {
    this.#rhythm ??= setInterval(() => this.next(), RHYTHM_MS);
  }

  stop(): void {
    if (this.#rhythm) clearInterval(this.#rhythm);
    this.#rhythm = null;
  }

  async onModuleDestroy(): Promise<void> {
    this.stop();
    await this.#round;
  }

  /** Asks for everything that is due now. */
  async askForAll(): Promise<void> {
    for (const due of await this.system.conversations.withDueReplies(this.world.clock.now(), PER_ROUND))
      await this.replies.ask(due);
  }

  /** One round after the other: a database that is slow is not asked twice. */
  private next(): void {
    this.#round ??= this.askForAll()
      .catch((error: unknown) => {
        this.log.warn({ reason: messageOf(error) }, 'could not look for replies that are due; looking again');
      })
      .finally(() => (this.#round = null));
  }

  private async oldestSeconds(): Promise<number> {
    const at = await this.system.conversations.oldestWaitingReply();
    return at ? Math.max(0, (this.world.clock.now().getTime() - at.getTime()) / 1000) : 0;
  }
}
