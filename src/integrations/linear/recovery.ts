import { Injectable } from '@nestjs/common';
import { SystemStore } from '../../database/index.js';
import { Asks, Deliveries, Recoveries, type Look } from '../../triggers/index.js';
import { LinearApi } from './api.js';
import { missableIn, SESSIONS, sessionsSchema, type OpenSession } from './missed.js';

const HOUR_MS = 3_600_000;
/** Before the first look there was nobody to tell. */
const FIRST_MS = 24 * HOUR_MS;
/** Linear tells up to three times, the last time seven hours later; what it tells again by itself is heard once all the same. */
const OVERLAP_MS = HOUR_MS;
/** A webhook may be on its way: what is younger is left to it. */
const YOUNG_MS = 30_000;
/** In one look: a page may cost 10,000 of the 2,000,000 points that Linear gives for an hour (linear.md 5). */
const MOST_PAGES = 20;

/** Asks Linear for what people asked in sessions while nobody listened, and takes it as delivered. Linear's own retries are signed with an old time, and are not worked on. */
@Injectable()
export class LinearRecovery {
  /**
   * Where a look ended that had more to read than it may, by organization: the next one goes on there, and not from the front, where it would end at the same place for ever. What changes at the front meanwhile is
   * within the overlap of the look after that.
   */
  readonly #left = new Map<string, string>();

  constructor(
    private readonly system: SystemStore,
    private readonly api: LinearApi,
    private readonly asks: Asks,
    private readonly deliveries: Deliveries,
    recoveries: Recoveries,
  ) {
    recoveries.by('linear', { places: () => this.places(), look: (look) => this.look(look) });
  }

  private async places(): Promise<string[]> {
    return (await this.system.deliveries.linearOrganizations()).map(({ organizationId }) => organizationId);
  }

  private async look({ place: organizationId, since, now, signal }: Look): Promise<boolean> {
    const known = await this.system.deliveries.linearOrganizations();
    const found = known.find((each) => each.organizationId === organizationId);
    if (!found) return true;
    const { linearOrganizationId, appUserId } = found;
    const from = new Date(since ? since.getTime() - OVERLAP_MS : now.getTime() - FIRST_MS);
    const begin = this.#left.get(organizationId) ?? null;
    // Also when it fails: a place that Linear does not know any more is none to go on from.
    this.#left.delete(organizationId);
    const { sessions, next } = await this.sessions(organizationId, { from, begin }, signal);
    const self = { organizationId: linearOrganizationId, appUserId };
    for (const { key, action, body } of missableIn(sessions, { since: from, before: young(now), self })) {
      if (signal.aborted) return false;
      if (await this.asks.isTaken(organizationId, 'linear', key)) continue;
      await this.deliveries.receive({
        system: 'linear',
        deliveryId: `missed/${key}`,
        event: 'AgentSessionEvent',
        action,
        tenantKey: { linearOrganizationId },
        body: JSON.stringify(body),
      });
    }
    if (next !== null) this.#left.set(organizationId, next);
    return next === null;
  }

  /** Those that changed since then, the ones changed last first; `next`: where there are more. */
  private async sessions(
    organizationId: string,
    { from, begin }: { from: Date; begin: string | null },
    signal: AbortSignal,
  ): Promise<{ sessions: OpenSession[]; next: string | null }> {
    const sessions: OpenSession[] = [];
    let after = begin;
    for (let page = 0; page < MOST_PAGES; page++) {
      const answer = await this.api.ask(organizationId, SESSIONS, { after }, signal);
      const { nodes, pageInfo } = sessionsSchema.parse(answer).agentSessions;
      sessions.push(...nodes.filter(({ updatedAt }) => updatedAt >= from));
      after = pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null;
      if (after === null || nodes.some(({ updatedAt }) => updatedAt < from)) return { sessions, next: null };
    }
    return { sessions, next: after };
  }
}

function young(now: Date): Date {
  return new Date(now.getTime() - YOUNG_MS);
}
