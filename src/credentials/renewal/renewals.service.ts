import { Inject, Injectable } from '@nestjs/common';
import { Database, type Tenant } from '../../database/index.js';
import { credentialTopic, WORKSPACE_CHANNEL, WorkspaceFeed } from '../../events/index.js';
import { GatheredLooks, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import { isPausing, isStoodDown, reasonToRenew, serves } from '../../oauth/index.js';
import {
  nameOf,
  refNamed,
  tokensStore,
  type Token,
  type TokenRef,
  type TokenVersion,
} from './tokens.store.js';

/** How long one look out for a renewal lasts; who still waits then begins another. */
const FLIGHT_SECONDS = 30;
/** Notices may be lost, jobs too. */
const LOOK_AGAIN_SECONDS = 1;
const ASK_AGAIN_MS = 3_000;

/**
 * Asks for renewals, and waits for what comes of them. In this process all who wait for one generation share one look at its row; over all processes jobs are the same for one generation; and
 * below both, a row of `credential_rotation` lets one of them call the provider.
 */
@Injectable()
export class Renewals {
  readonly #flights = new Map<string, Promise<void>>();
  /** Where many logins run out together, as many flights look, and about at once. */
  readonly #looks = new GatheredLooks<Token>();

  constructor(
    private readonly database: Database,
    private readonly queue: JobQueue,
    private readonly feed: WorkspaceFeed,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Has a worker renew this generation, if the rows still say so. It never fails: a lost call is made good by who waits, and by the sweep. */
  async ask(
    organizationId: string,
    { credentialId, workspaceId }: TokenRef,
    generation: number,
  ): Promise<void> {
    const ids = {
      organizationId,
      credentialId,
      ...(workspaceId === null ? {} : { workspaceId }),
      generation,
    };
    try {
      await this.queue.add('credential.renew', ids);
    } catch (error) {
      this.log.warn(
        { credentialId, reason: messageOf(error) },
        'no worker could be asked to renew a token; asking again later',
      );
    }
  }

  /** As `ask`, once what was written is committed. */
  askAfter(tenant: Tenant, ref: TokenRef, generation: number): void {
    tenant.afterCommit(() => this.ask(tenant.organizationId, ref, generation));
  }

  /** Tells everybody who waits for these credentials, or holds a lease of one, that they changed, once that is committed. */
  async tellChanged(tenant: Tenant, ...credentialIds: string[]): Promise<void> {
    await tenant.tell(WORKSPACE_CHANNEL, ...new Set(credentialIds.map(credentialTopic)));
  }

  /**
   * Asks for a renewal of this token and waits until there is an answer: another generation, or that there will be none, or that others are to serve meanwhile. False when the time is over before.
   * `isLast`: there are no others, so that only a token or its end is an answer.
   */
  async answered(
    organizationId: string,
    token: Token,
    isLast: boolean,
    milliseconds: number,
  ): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), milliseconds);
    });
    try {
      return await Promise.race([this.flight(organizationId, token, isLast).then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** How many looks are under way in this process. */
  get flights(): number {
    return this.#flights.size;
  }

  private flight(organizationId: string, token: Token, isLast: boolean): Promise<void> {
    const { ref, lineage, generation } = token;
    const key = [ref.credentialId, ref.workspaceId, lineage, generation, isLast].join();
    const known = this.#flights.get(key);
    if (known) return known;
    const flight = this.lookOut(organizationId, token, isLast).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  private look(organizationId: string, ref: TokenRef): Promise<Token | undefined> {
    return this.#looks.take(organizationId, nameOf(ref), (names) =>
      // Apart: it is shared, and no part of the transaction of whoever came first.
      this.database.apart(organizationId, (tenant) => tokensStore.findAll(tenant, names.map(refNamed))),
    );
  }

  private async lookOut(organizationId: string, seen: Token, isLast: boolean): Promise<void> {
    const { ref, generation } = seen;
    let askAgainAt = 0;
    await this.feed.until(
      credentialTopic(ref.credentialId),
      FLIGHT_SECONDS,
      new AbortController().signal,
      async () => {
        const token = await this.look(organizationId, ref);
        const now = this.world.clock.now();
        if (!token || isAnswered(token, seen, isLast, now)) return true;
        if (!isPausing(token, now) && performance.now() >= askAgainAt) {
          askAgainAt = performance.now() + ASK_AGAIN_MS;
          await this.ask(organizationId, ref, generation);
        }
        return null;
      },
      LOOK_AGAIN_SECONDS,
    );
  }
}

function isAnswered(token: Token, seen: TokenVersion, isLast: boolean, now: Date): boolean {
  const isAnother = token.generation !== seen.generation || token.lineage !== seen.lineage;
  if (isAnother || token.status === 'rejected' || reasonToRenew(token, now) === null) return true;
  return !isLast && !serves(token, now) && isStoodDown(token, now);
}
