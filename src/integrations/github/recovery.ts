import { Inject, Injectable } from '@nestjs/common';
import { GithubApp } from '../../credentials/index.js';
import { LOG, type Log } from '../../kernel/index.js';
import { Deliveries, Recoveries, type Look } from '../../triggers/index.js';
import { failureOf } from './api-failure.js';
import { attemptSchema, toRedeliver, type Attempt } from './missed.js';

const HOUR_MS = 3_600_000;
/** GitHub delivers again for so long, and not at all by itself (github.md 4). A little less: what is asked for takes a while. */
const KEPT_MS = 72 * HOUR_MS - 60_000;
/** So far back a look goes again: what could not be delivered again then may be now. */
const OVERLAP_MS = HOUR_MS;
/** Of the App's 5,000 requests an hour, a fifth at most in one look. */
const MOST = 1_000;
const PAGE = 100;

/** Has GitHub deliver again what did not come through: it does not do so by itself. What comes is a delivery like any other, signed and all. */
@Injectable()
export class GithubRecovery {
  constructor(
    private readonly app: GithubApp,
    private readonly deliveries: Deliveries,
    @Inject(LOG) private readonly log: Log,
    recoveries: Recoveries,
  ) {
    recoveries.by('github', { places: () => this.places(), look: (look) => this.look(look) });
  }

  private async places(): Promise<string[]> {
    const facts = await this.app.facts();
    return facts ? [facts.appId] : [];
  }

  private async look({ since, now, signal }: Look): Promise<boolean> {
    const earliest = now.getTime() - KEPT_MS;
    const from = new Date(since ? Math.max(since.getTime() - OVERLAP_MS, earliest) : earliest);
    const failed = await this.failed(from, signal);
    const known = await this.deliveries.known('github', [...new Set(failed.map(({ guid }) => guid))]);
    const missed = toRedeliver(failed, known, now);
    for (const id of missed.slice(0, MOST)) {
      if (signal.aborted) return false;
      await this.redeliver(id, now);
    }
    return missed.length <= MOST;
  }

  /** One that GitHub does not have any more, or will not deliver, must not keep those behind it. A limit, or a GitHub that is away, ends the look, which comes again. */
  private async redeliver(delivery_id: number, now: Date): Promise<void> {
    const octokit = await this.app.octokit();
    try {
      await octokit.rest.apps.redeliverWebhookDelivery({ delivery_id });
    } catch (error) {
      const failure = failureOf(error, 0, now);
      if (failure.kind !== 'missing' && failure.kind !== 'refused') throw error;
      this.log.warn({ attempt: delivery_id, kind: failure.kind }, 'GitHub does not deliver something again');
    }
  }

  /** Attempts that failed since then, the newest first. */
  private async failed(from: Date, signal: AbortSignal): Promise<Attempt[]> {
    const octokit = await this.app.octokit();
    const failed: Attempt[] = [];
    // Their types do not know the filter by `status`.
    const failures = { per_page: PAGE, ...{ status: 'failure' } };
    const pages = octokit.paginate.iterator('GET /app/hook/deliveries', failures);
    for await (const { data } of pages) {
      const page = attemptSchema.array().parse(data);
      failed.push(...page.filter(({ delivered_at }) => delivered_at >= from));
      if (signal.aborted || page.some(({ delivered_at }) => delivered_at < from)) break;
    }
    return failed;
  }
}
