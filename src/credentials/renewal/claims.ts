import { Inject, Injectable } from '@nestjs/common';
import type { RotationReason } from '../../contracts/index.js';
import { Database, isUnavailable, type Tenant } from '../../database/index.js';
import { GatheredTurns, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { isPausing, reasonToRenew } from '../../oauth/index.js';
import { kinds } from '../kinds.js';
import { TokenSources } from '../providers/token-source.js';
import { settlementOf, type CallFacts } from './reaction.js';
import { Rejections } from './rejections.js';
import { rotationsStore, type Ending, type StaleRotation } from './rotations.store.js';
import { nameOf, tokensStore, type SealedToken, type Token, type TokenRef } from './tokens.store.js';

/** Four beats: a process that was not heard of for so long is taken for dead. Should it come back with an answer after all, that counts. */
export const STALE_SECONDS = 20;
/** Of one organization, in one transaction. */
const MOST_TOGETHER = 50;

/** A renewal that is this process's to carry out. */
export interface Claim {
  id: string;
  organizationId: string;
  token: Token;
  /** What the credential keeps, as it was when the row was written; opened by whoever calls. */
  sealed: string;
  reason: RotationReason;
  /** How many of this generation ended without anybody knowing what they did. */
  unknownBefore: number;
}

/** A generation that is to be renewed, as far as somebody knows. */
interface Wanted {
  ref: TokenRef;
  generation: number;
}

/** One that the rows say is to be renewed. */
interface Due {
  wanted: Wanted;
  id: string;
  token: Token;
  reason: RotationReason;
}

/**
 * Writes down who renews what, before anybody calls. Where many logins run out together, many are written in one transaction; each row is there, and committed, before the call that it
 * is for.
 */
@Injectable()
export class Claims {
  readonly #owner: string;
  readonly #opening = new GatheredTurns<Wanted, Claim | null>(1, MOST_TOGETHER);
  readonly #calling = new GatheredTurns<string, boolean>(1, MOST_TOGETHER);

  constructor(
    private readonly database: Database,
    private readonly sources: TokenSources,
    private readonly rejections: Rejections,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#owner = world.ids.next();
  }

  /** (a) Written down first: from now on it is known that somebody may call. Null where nothing is to be done, or another does it. */
  async open(organizationId: string, ref: TokenRef, generation: number): Promise<Claim | null> {
    const wanted = { ref, generation };
    const claim = await this.#opening.take(organizationId, wanted, (all) =>
      this.openTogether(organizationId, all),
    );
    if (claim !== undefined) return claim;
    return (await this.openAll(organizationId, [wanted])).get(wanted) ?? null;
  }

  /** The last thing before the provider is called. False when that is not this process's to do any more. */
  async call({ id, organizationId }: Claim): Promise<boolean> {
    const isOurs = await this.#calling.take(organizationId, id, async (ids) => {
      // Apart: it is shared, and no part of the transaction of whoever came first.
      const ours = await this.database.apart(organizationId, (tenant) =>
        rotationsStore.call(tenant, ids, this.#owner),
      );
      return new Map(ids.map((one) => [one, ours.has(one)]));
    });
    return isOurs ?? false;
  }

  /** Says that this process lives. */
  async beat({ id, organizationId }: Claim): Promise<void> {
    await this.database.tenant(organizationId, (tenant) => rotationsStore.beat(tenant, id, this.#owner));
  }

  /** What a kind's source says of a call whose answer was lost. */
  callFacts({ kind }: Token): Pick<CallFacts, 'repeatable' | 'graceSeconds'> {
    return {
      repeatable: kinds[kind].renewal === 'minted',
      graceSeconds: this.sources.has(kind) ? this.sources.of(kind).graceSeconds : 0,
    };
  }

  /** Where it fails for several, each is opened alone: what is wrong with one is no matter of the others. */
  private async openTogether(organizationId: string, all: Wanted[]): Promise<Map<Wanted, Claim | null>> {
    try {
      return await this.openAll(organizationId, all);
    } catch (error) {
      // A database that is away is so for each of them.
      if (all.length === 1 || isUnavailable(error)) throw error;
      this.log.warn(
        { reason: messageOf(error) },
        'renewals could not be begun together; each is begun alone',
      );
      return new Map();
    }
  }

  private openAll(organizationId: string, all: Wanted[]): Promise<Map<Wanted, Claim | null>> {
    return this.database.apart(organizationId, async (tenant) => {
      const due = await this.dueAmong(tenant, all);
      const claims = await this.claimsOf(tenant, due);
      return new Map(all.map((wanted) => [wanted, claims.get(wanted) ?? null]));
    });
  }

  private async dueAmong(tenant: Tenant, all: Wanted[]): Promise<Due[]> {
    const refs = all.map(({ ref }) => ref);
    const tokens = await tokensStore.findAll(tenant, refs);
    const ended = await this.clearStale(tenant, tokens, refs);
    const due: Due[] = [];
    // In one order, so that two who write several cannot wait for each other.
    for (const wanted of all.toSorted((a, b) => nameOf(a.ref).localeCompare(nameOf(b.ref)))) {
      const token = tokens.get(nameOf(wanted.ref));
      if (!token || ended.has(nameOf(wanted.ref))) continue;
      const reason = token.generation === wanted.generation ? this.reasonFor(token) : null;
      if (!reason) continue;
      if (wanted.ref.workspaceId !== null) await tokensStore.makeRoom(tenant, token);
      due.push({ wanted, id: this.world.ids.next(), token, reason });
    }
    return due;
  }

  private async claimsOf(tenant: Tenant, due: Due[]): Promise<Map<Wanted, Claim>> {
    if (due.length === 0) return new Map();
    const at = this.world.clock.now();
    const ids = await rotationsStore.open(
      tenant,
      due.map(({ id, reason, token: { ref, lineage, generation } }) => {
        return { id, reason, ref, lineage, generation, owner: this.#owner, at };
      }),
    );
    const opened = due.filter(({ id }) => ids.has(id));
    const claims = new Map<Wanted, Claim>();
    if (opened.length === 0) return claims;
    // Looked at again behind the rows: whoever renewed one between the first look and its row has stored it before ending theirs.
    const refs = opened.map(({ token }) => token.ref);
    const tokens = await tokensStore.findAll(tenant, refs);
    const keptIn = ({ credentialId }: TokenRef): TokenRef => ({ credentialId, workspaceId: null });
    const kept = await tokensStore.sealedAll(tenant, refs.map(keptIn));
    const unknown = await rotationsStore.unknownAmong(
      tenant,
      opened.map(({ token }) => token),
    );
    for (const one of opened) {
      const name = nameOf(one.token.ref);
      const token = this.stillDue(one.token, tokens.get(name), kept.get(nameOf(keptIn(one.token.ref))));
      if (!token) continue;
      const { id, reason } = one;
      const { organizationId } = tenant;
      const unknownBefore = unknown.get(name) ?? 0;
      claims.set(one.wanted, { id, organizationId, ...token, reason, unknownBefore });
    }
    const overtaken = opened.filter(({ wanted }) => !claims.has(wanted));
    await rotationsStore.undo(
      tenant,
      overtaken.map(({ id }) => id),
    );
    return claims;
  }

  private stillDue(
    before: Token,
    token: Token | undefined,
    kept: SealedToken | undefined,
  ): Pick<Claim, 'token' | 'sealed'> | null {
    if (token?.generation !== before.generation || token.lineage !== before.lineage) return null;
    return this.reasonFor(token) && kept?.lineage === before.lineage ? { token, sealed: kept.sealed } : null;
  }

  private reasonFor(token: Token): RotationReason | null {
    const now = this.world.clock.now();
    if (token.status === 'rejected' || isPausing(token, now)) return null;
    return reasonToRenew(token, now);
  }

  /** Gives up open renewals whose process is gone. Answers the names of those whose credential that ended. */
  private async clearStale(
    tenant: Tenant,
    tokens: Map<string, Token>,
    refs: TokenRef[],
  ): Promise<Set<string>> {
    const ended = new Set<string>();
    for (const stale of await rotationsStore.stale(tenant, refs, STALE_SECONDS)) {
      const name = nameOf(stale.ref);
      const token = tokens.get(name);
      if (!token || ended.has(name)) continue;
      const isCurrent = stale.generation === token.generation && stale.lineage === token.lineage;
      if (!(await this.giveUp(tenant, token, stale, isCurrent))) ended.add(name);
    }
    return ended;
  }

  private async giveUp(
    tenant: Tenant,
    token: Token,
    stale: StaleRotation,
    isCurrent: boolean,
  ): Promise<boolean> {
    const at = this.world.clock.now();
    const end = (state: Ending['state'], message: string): Promise<void> =>
      rotationsStore.end(tenant, [{ id: stale.id, state, message, at }]);
    if (stale.calledSeconds === null) {
      // Nobody called: nothing can have been spent.
      await end('failed', 'the process that was to renew it ended before it asked the provider');
      return true;
    }
    if (!isCurrent) {
      await end('superseded', 'another came in between');
      return true;
    }
    const unknownBefore = await rotationsStore.unknown(tenant, token);
    const settlement = settlementOf('unknown', {
      ...this.callFacts(token),
      ageSeconds: stale.calledSeconds,
      unknownBefore,
    });
    const reason = 'the process that was renewing it ended before the provider’s answer was stored';
    await end('unknown', reason);
    tenant.metrics.count('berth_credential_renewals_total', { kind: token.kind, outcome: 'unknown' });
    if (settlement !== 'reject') return true;
    this.log.error(
      { credentialId: token.ref.credentialId, kind: token.kind },
      'a login may be lost: the process that renewed it ended before the answer was stored',
    );
    return !(await this.rejections.reject(tenant, token, lost(reason)));
  }
}

/** What nobody can know is said as it is. */
export function lost(reason: string): string {
  return `${reason}. Its refresh token may be used up, and using it again could end the login; reconnect it`;
}
