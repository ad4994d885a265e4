import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOG, messageOf, type Log } from '../../kernel/index.js';
import { Readiness } from '../readiness.js';
import { KeptAnswers } from './kept-answers.js';

const EVERY_MS = 10 * 60_000;

/** Removes kept answers whose time is over. Every process that serves the API does it now and then: a second one finds nothing left. */
@Injectable()
export class Expiry implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | null = null;
  private underWay: Promise<void> = Promise.resolve();

  constructor(
    private readonly answers: KeptAnswers,
    private readonly readiness: Readiness,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.underWay = this.run();
    }, EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.underWay;
  }

  /** Never throws: what is left is removed next time, and is no answer to anybody meanwhile. */
  async run(): Promise<void> {
    // Past a newer migration this process writes no more.
    if (this.readiness.isOutdated) return;
    try {
      const count = await this.answers.deleteExpired();
      if (count > 0) this.log.debug({ count }, 'removed answers that were kept long enough');
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'kept answers that are over could not be removed');
    }
  }
}
