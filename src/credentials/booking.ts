import { Inject, Injectable } from '@nestjs/common';
import type { Kind, Lease } from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, isUnavailable, type Tenant } from '../database/index.js';
import {
  BerthError,
  forCause,
  GatheredTurns,
  Turnstile,
  LOG,
  messageOf,
  World,
  type Cause,
  type Log,
} from '../kernel/index.js';
import { reasonToRenew } from '../oauth/index.js';
import { Choosing, type Choice } from './choosing.js';
import { kinds } from './kinds.js';
import { leasesStore, type LeaseRow } from './leases.store.js';
import { placeOf } from './renewal/place.js';
import { Renewals } from './renewal/renewals.service.js';
import { nameOf, type Token } from './renewal/tokens.store.js';
import { usedBy, type ServedMember } from './served.js';
import { Vault } from './vault.js';

/** A lease is asked anew after so long: what was removed meanwhile serves no longer than that. Five is the line, with what a busy machine takes to answer. */
const LEASE_SECONDS = 3;
const RETRY_SECONDS = 1;
/** So old a look may be when a lease is to be booked by it, and when it is booked: between the two somebody may hold the row. */
const [FRESH_MS, STALE_MS] = [500, 1_500];
/**
 * Leases of one organization are booked in so many transactions at a time in this process, together and alone, which has ten connections for everything. A crowd that comes at once waits here and not
 * for connections, where it would be turned away; and so many of it share a transaction, which holds their rows for moments.
 */
const [TOGETHER_AT_A_TIME, ALONE_AT_A_TIME, MOST_TOGETHER] = [2, 2, 50];

/** A subject that is to be lent something, and for whom it is thought to work. */
export interface Asked {
  subjectId: string;
  userId: string;
  kind: Kind;
}

/** What is said with the lease; or what is answered in its place. */
export type Admission = Pick<Lease, 'budgeted'> | BerthError;

/** Asked in the transaction in which subjects are lent a credential: whether each may be. */
export interface Admissions {
  /** Nobody waits: those whose rows are held elsewhere have no answer, and are asked about alone. */
  together(tenant: Tenant, all: Asked[]): Promise<Map<Asked, Admission>>;
  /** Waits for the row where another holds it. */
  alone(tenant: Tenant, asked: Asked): Promise<Admission>;
}

export interface LeaseTerms {
  admissions: Admissions;
  /** How long a member's own is leased, where it is to be shorter than usual. */
  ownSeconds?: number | undefined;
}

/** A lease that is asked for. */
export interface LeaseAsk {
  member: ServedMember;
  subjectId: string;
  choice: Choice;
  terms: LeaseTerms;
  /** Whose doing it is: it may be booked in a transaction that another's request began. */
  cause: Cause;
}

/** One that can be booked. */
interface Ready {
  ask: LeaseAsk;
  asked: Asked;
  row: LeaseRow;
  lease: Lease;
  isFallback: boolean;
  token: Token | null;
  /** See `Choice`. */
  lookedAt: number;
}

type Admit = (tenant: Tenant) => Promise<Map<Asked, Admission>>;

/** What an ask comes to. Null: what was chosen does not serve any more. */
type Answer = Lease | BerthError | null;

/** Books leases, those that are asked for at once together, and lends what was booked. */
@Injectable()
export class Booking {
  readonly #together = new GatheredTurns<LeaseAsk, Answer>(TOGETHER_AT_A_TIME, MOST_TOGETHER);
  readonly #alone = new Turnstile(ALONE_AT_A_TIME);
  /** All who share a look share what it found, and as long as they do it is opened once. */
  readonly #opened = new WeakMap<Choice, Promise<Record<string, string>>>();

  constructor(
    private readonly database: Database,
    private readonly choosing: Choosing,
    private readonly vault: Vault,
    private readonly renewals: Renewals,
    private readonly world: World,
    private readonly audit: Audit,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Null when what was chosen does not serve any more by the time it could be lent. */
  async take(ask: LeaseAsk): Promise<Lease | null> {
    const { organizationId } = ask.member;
    const together = await this.#together.take(organizationId, ask, (asks) => this.together(asks));
    const answer =
      together === undefined ? await this.#alone.run(organizationId, () => this.alone(ask)) : together;
    if (answer instanceof BerthError) throw answer;
    return answer;
  }

  /** Who has no answer is booked alone: one that fails, or waits for somebody, is no matter of the others. */
  private async together(asks: LeaseAsk[]): Promise<Map<LeaseAsk, Answer>> {
    const answers = new Map<LeaseAsk, Answer>();
    const ready: Ready[] = [];
    const looked = await Promise.allSettled(asks.map((ask) => this.ready(ask)));
    for (const [at, ask] of asks.entries()) {
      const found = looked[at];
      if (found?.status !== 'fulfilled') continue;
      if (found.value) ready.push(found.value);
      else answers.set(ask, null);
    }
    for (const [{ ask }, answer] of await this.tryAll(fitting(ready))) answers.set(ask, answer);
    return answers;
  }

  private async tryAll(all: Ready[]): Promise<Map<Ready, Answer>> {
    const [first] = all;
    if (!first) return new Map();
    const { admissions } = first.ask.terms;
    try {
      return await this.book(all, (tenant) =>
        admissions.together(
          tenant,
          all.map(({ asked }) => asked),
        ),
      );
    } catch (error) {
      // A database that is away is so for each of them.
      if (isUnavailable(error)) throw error;
      this.log.warn(
        { reason: messageOf(error) },
        'leases could not be booked together; each is booked alone',
      );
      return new Map();
    }
  }

  private async alone(ask: LeaseAsk): Promise<Answer> {
    const ready = await this.ready(ask);
    if (!ready) return null;
    const { admissions } = ask.terms;
    const booked = await this.book([ready], async (tenant) => {
      return new Map([[ready.asked, await admissions.alone(tenant, ready.asked)]]);
    });
    return booked.get(ready) ?? null;
  }

  /** Who waited long for their turn looks again: what was removed meanwhile must not be lent. Null when it does not serve any more. */
  private async ready(ask: LeaseAsk): Promise<Ready | null> {
    const { member, subjectId, choice: before, terms } = ask;
    const isFresh = performance.now() - before.lookedAt <= FRESH_MS;
    const choice = isFresh ? before : await this.choosing.choose(member, subjectId);
    if (this.choosing.mustWait(choice)) return null;
    const { candidate, generation, lineage, settings, isFallback, token, lookedAt } = choice;
    const { credentialId, scope, kind, reason } = candidate;
    const secret = await this.open(member, choice);
    const seconds = (scope === 'user' ? terms.ownSeconds : undefined) ?? LEASE_SECONDS;
    const expiresAt = new Date(this.world.clock.now().getTime() + seconds * 1000);
    const userId = scope === 'user' ? member.userId : null;
    const place = { workspaceId: subjectId, credentialId, generation, lineage };
    return {
      ask,
      asked: { subjectId, userId: member.userId, kind },
      row: { ...place, scope, kind, reason, userId, expiresAt },
      lease: {
        credentialId,
        generation,
        expiresAt: expiresAt.toISOString(),
        secret: kinds[kind].lease(secret, { ...settings, ...regionFor(member, kind) }),
      },
      isFallback,
      token,
      lookedAt,
    };
  }

  private open({ organizationId }: ServedMember, choice: Choice): Promise<Record<string, string>> {
    const { sealed, token, candidate } = choice;
    // Removed between the two looks: the next lease resolves without it.
    if (sealed === null) throw notReady('The credential was just removed. Ask again.');
    const known = this.#opened.get(choice);
    if (known) return known;
    const ref = token?.ref ?? { credentialId: candidate.credentialId, workspaceId: null };
    const opened = this.vault
      .open(sealed, placeOf(organizationId, ref))
      .then((text) => JSON.parse(text) as Record<string, string>);
    this.#opened.set(choice, opened);
    return opened;
  }

  /** In one transaction, all of one organization and on the same terms. Who may not be lent anything is answered why; who is held elsewhere is missing. */
  private async book(all: Ready[], admit: Admit): Promise<Map<Ready, Answer>> {
    const [first] = all;
    if (!first) return new Map();
    const { organizationId } = first.ask.member;
    // Apart: it is shared, and no part of the transaction of whoever came first.
    const answers = await this.database.apart(organizationId, async (tenant) => {
      const admissions = await admit(tenant);
      const answers = new Map(
        all.flatMap((ready): [Ready, Answer][] => {
          const admission = admissions.get(ready.asked);
          return admission ? [[ready, answerFor(ready, admission)]] : [];
        }),
      );
      await this.write(
        tenant,
        all.filter((ready) => isLent(answers.get(ready))),
      );
      return answers;
    });
    this.renewSoon(
      organizationId,
      all.filter((ready) => isLent(answers.get(ready))),
    );
    return answers;
  }

  /** What still serves, and will not for long: whoever comes then shall not have to wait. */
  private renewSoon(organizationId: string, all: Ready[]): void {
    const now = this.world.clock.now();
    const due = all.flatMap(({ token }) => (token && reasonToRenew(token, now) ? [token] : []));
    for (const { ref, generation } of new Map(due.map((token) => [nameOf(token.ref), token])).values())
      void this.renewals.ask(organizationId, ref, generation);
  }

  /** What is told once per workspace and login or setting, not per lease: every 3 seconds would say nothing more. */
  private async write(tenant: Tenant, all: Ready[]): Promise<void> {
    if (all.length === 0) return;
    const fallbacks = all.filter(({ isFallback }) => isFallback).map(({ row }) => row);
    const before = await leasesStore.lastReasons(tenant, fallbacks);
    const isFirst = await leasesStore.save(
      tenant,
      all.map(({ row }) => row),
    );
    for (const ready of all) {
      const { workspaceId, reason, kind } = ready.row;
      if (isFirst.has(workspaceId)) this.record(tenant, 'credential.used', ready);
      if (!ready.isFallback || before.get(workspaceId) === reason) continue;
      tenant.metrics.count('berth_credential_fallbacks_total', { kind });
      this.record(tenant, 'credential.fallback', ready);
    }
  }

  private record(
    tenant: Tenant,
    action: 'credential.used' | 'credential.fallback',
    { ask: { member, cause }, row }: Ready,
  ): void {
    const { workspaceId, credentialId, kind, scope, generation, reason } = row;
    forCause(cause, () =>
      this.audit.record(tenant, {
        action,
        actor: { type: 'machine', id: workspaceId, name: 'proxy of the workspace', apiKeyId: null },
        subject: { type: 'credential', id: credentialId, name: kind },
        details: { scope, generation, agent: usedBy(member), reason, forMember: member.userId },
      }),
    );
  }
}

/** Those that one transaction can book: on the same terms, and of each subject one, since a statement writes a row once. */
function fitting(all: Ready[]): Ready[] {
  const subjects = new Set<string>();
  return all.filter(({ ask: { subjectId, terms } }) => {
    if (terms.admissions !== all[0]?.ask.terms.admissions || subjects.has(subjectId)) return false;
    subjects.add(subjectId);
    return true;
  });
}

/** Null where the row was waited for so long that what was chosen may have been removed meanwhile. */
function answerFor({ lease, lookedAt }: Ready, admission: Admission): Answer {
  if (admission instanceof BerthError) return admission;
  return performance.now() - lookedAt > STALE_MS ? null : { ...lease, ...admission };
}

function isLent(answer: Answer | undefined): boolean {
  return answer !== undefined && answer !== null && !(answer instanceof BerthError);
}

/** Where Bedrock is asked, if the work says so; else where the key was set for. */
function regionFor(member: ServedMember, kind: Kind): { region?: string } {
  const region = kind === 'aws_bedrock' && 'bedrock' in member ? member.bedrock?.region : null;
  return region ? { region } : {};
}

export function notReady(message: string): BerthError {
  return new BerthError('not-ready', message, { retryAfterSeconds: RETRY_SECONDS });
}
