import { Injectable } from '@nestjs/common';
import type {
  Agent,
  AuditActor,
  CredentialView,
  Kind,
  Lease,
  PageQuery,
  Provider,
  Resolution,
  Scope,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, isUniqueViolation, type Tenant } from '../database/index.js';
import { fieldErrors, invalid, pageOf, sliceOf, type Page } from '../http/index.js';
import {
  administers,
  auditedMember,
  IdentityService,
  MembersService,
  type Actor,
} from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import { firstDueAt } from '../oauth/index.js';
import { CredentialPlaces, noSuchCredential } from './credential-places.js';
import { credentialsStore, type CredentialPlace, type CredentialRow } from './credentials.store.js';
import { kinds, secretText, type ParsedCredential } from './kinds.js';
import { warnAtOf, withEnds } from './login-end.js';
import { leasesStore } from './leases.store.js';
import type { LeaseTerms } from './booking.js';
import { Choosing } from './choosing.js';
import { Leasing } from './leasing.js';
import type { ServedAgent, ServedMember } from './served.js';
import { Renewals } from './renewal/renewals.service.js';
import { CredentialReports, type CredentialReport } from './reports.js';
import { Vault } from './vault.js';
import { credentialView } from './view.js';

/** A proxy on another machine may have a clock that is a little behind ours. */
const CLOCK_MARGIN_MS = 250;

/** Whose credential served, of which kind, and why resolution chose it. */
export interface ServedBy {
  scope: Scope;
  kind: Kind;
  reason: string;
  /** The member whose own it is; null for the organization's. */
  userId: string | null;
  /** To whom it was lent. */
  subjectId: string;
}

/** Sets, lists, resolves and leases credentials. */
@Injectable()
export class CredentialsService {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly choosing: Choosing,
    private readonly leasing: Leasing,
    private readonly reports: CredentialReports,
    private readonly renewals: Renewals,
    private readonly vault: Vault,
    private readonly places: CredentialPlaces,
    private readonly world: World,
    private readonly audit: Audit,
    members: MembersService,
  ) {
    members.whenLeaving((tenant, { userId }) => this.recall(tenant, userId));
  }

  async list(actor: Actor, query: PageQuery): Promise<Page<CredentialView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      credentialsStore.visibleTo(tenant, actor.userId, slice),
    );
    return pageOf(rows, slice, credentialView);
  }

  /** Sets the actor's own or (admins) the organization's credential. Throws `forbidden`, `validation-failed`, `not-found` for who was just removed. */
  async set(actor: Actor, scope: Scope, kind: Kind, body: unknown): Promise<CredentialView> {
    const place = this.places.toFill(actor, scope, kind);
    const parsed = parse(kind, body);
    refuseRunOut(parsed, this.world.clock.now());
    try {
      return credentialView(await this.store(actor, place, parsed));
    } catch (error) {
      // Two first settings at once: the other one was quicker, so ours is a replacement now.
      if (!isUniqueViolation(error)) throw error;
      return credentialView(await this.store(actor, place, parsed));
    }
  }

  /**
   * Stores what a login brought, as a setting is stored: a new lineage, set by this actor now. `inside` is a part of the same transaction; what it throws leaves the credential as
   * it was.
   */
  async connect(
    actor: Actor,
    place: CredentialPlace,
    parsed: ParsedCredential,
    inside: (tenant: Tenant, credentialId: string) => Promise<void>,
  ): Promise<CredentialView> {
    try {
      return credentialView(await this.store(actor, place, parsed, inside));
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      return credentialView(await this.store(actor, place, parsed, inside));
    }
  }

  /** Throws `forbidden`, `not-found`. */
  async remove(actor: Actor, scope: Scope, kind: Kind): Promise<void> {
    const place = this.places.toChange(actor, scope, kind);
    await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.stillMay(tenant, actor, place);
      if (!(await this.drop(tenant, place, auditedMember(actor)))) throw noSuchCredential(kind);
    });
  }

  /** Forgets one, for whoever may decide that: with an integration goes its login. False: there was none. Inside a transaction of the caller. */
  async drop(tenant: Tenant, place: CredentialPlace, by: AuditActor): Promise<boolean> {
    const removed = await credentialsStore.remove(tenant, place);
    if (!removed) return false;
    const { scope, kind } = place;
    this.audit.record(tenant, {
      action: 'credential.removed',
      actor: by,
      subject: { type: 'credential', id: removed.id, name: kind },
      details: { scope, generation: removed.generation },
    });
    await this.renewals.tellChanged(tenant, removed.id);
    return true;
  }

  /** Explains resolution for a member; another member's only to admins. Throws `forbidden`, `not-found`. */
  async explain(
    actor: Actor,
    agent: Agent,
    userId = actor.userId,
    provider: Provider = 'anthropic',
  ): Promise<Resolution> {
    if (userId !== actor.userId) {
      if (!administers(actor))
        throw new BerthError('forbidden', 'Only an admin may ask about another member.');
      await this.identity.member(actor, userId);
    }
    const { organizationId } = actor;
    const bedrock = provider === 'bedrock' ? { region: null } : undefined;
    const resolution = await this.resolve({ organizationId, userId, agent, bedrock });
    const rows = await this.database.tenant(organizationId, (tenant) =>
      credentialsStore.visibleTo(tenant, userId),
    );
    return withEnds(resolution, rows, this.world.clock.now());
  }

  resolve(member: ServedAgent): Promise<Resolution> {
    return this.choosing.resolve(member);
  }

  /**
   * Leases the chosen credential to a workspace (`subjectId`; what it is does not matter here). Resolved at each lease from the rows as they are, never from memory
   * (rule 7). Where its token does not serve, it is renewed first, and the lease waits for it. Whether the subject still works for this member, `terms.admissions` is asked in the transaction that books the lease, which it may
   * share. Throws `no-agent-credential` (git: `no-git-credential`), `not-ready`.
   */
  lease(member: ServedMember, subjectId: string, terms: LeaseTerms): Promise<Lease> {
    return this.leasing.lease(member, subjectId, terms);
  }

  /** Which of these people do not let serve this member any more. What a provider says of one takes no right away. Inside a transaction of the caller. */
  withdrawn(tenant: Tenant, member: ServedMember, credentialIds: string[]): Promise<string[]> {
    return this.choosing.withdrawn(tenant, member, credentialIds);
  }

  /** When a proxy has surely forgotten what it holds for a workspace and is another person's own; null: it holds nothing of that. Inside a transaction of the caller. */
  async foreignUntil(tenant: Tenant, subjectId: string, userId: string): Promise<Date | null> {
    const since = new Date(this.world.clock.now().getTime() - CLOCK_MARGIN_MS);
    const last = await leasesStore.foreign(tenant, subjectId, userId, since);
    return last && new Date(last.expiresAt.getTime() + CLOCK_MARGIN_MS);
  }

  /** By which lease a credential served, also after the credential is gone; null when there was none. Inside a transaction of the caller. */
  async servedBy(
    tenant: Tenant,
    subjectId: string,
    credentialId: string,
    generation: number,
  ): Promise<ServedBy | null> {
    const lease = await leasesStore.find(tenant, subjectId, credentialId, generation);
    return (
      lease && {
        scope: lease.scope as Scope,
        kind: lease.kind as Kind,
        reason: lease.reason,
        userId: lease.userId,
        subjectId,
      }
    );
  }

  /** The provider refused the credential itself: it is renewed, or the next one serves. Each of these works inside a transaction of the caller. */
  refused(tenant: Tenant, report: CredentialReport, { subjectId }: ServedBy): Promise<void> {
    return this.reports.take(tenant, 'refused', report, subjectId);
  }

  /** The provider refused a request and not the credential: said to people. */
  denied(tenant: Tenant, report: CredentialReport, { subjectId }: ServedBy): Promise<void> {
    return this.reports.take(tenant, 'denied', report, subjectId);
  }

  /** A plan's quota is used up until a time; without one there is nothing to remember. */
  limited(tenant: Tenant, report: CredentialReport, { subjectId }: ServedBy): Promise<void> {
    return this.reports.take(tenant, 'limited', report, subjectId);
  }

  /** Whatever serves somebody who leaves is asked for anew, and calls under way with it, in whoever's workspace. */
  private async recall(tenant: Tenant, userId: string): Promise<void> {
    for (const { id } of await credentialsStore.visibleTo(tenant, userId))
      await this.renewals.tellChanged(tenant, id);
  }

  /** Asked of the row, and holds it: who was removed, or is no admin any more, since the request began leaves nothing behind. Throws `not-found`, `forbidden`. */
  private async stillMay(tenant: Tenant, actor: Actor, { scope, kind }: CredentialPlace): Promise<void> {
    this.places.toChange(await this.identity.hold(tenant, actor), scope, kind);
  }

  private async store(
    actor: Actor,
    place: CredentialPlace,
    parsed: ParsedCredential,
    inside?: (tenant: Tenant, credentialId: string) => Promise<void>,
  ): Promise<CredentialRow> {
    const { organizationId } = actor;
    const existing = await this.database.tenant(organizationId, (tenant) =>
      credentialsStore.find(tenant, place),
    );
    const rowId = existing?.id ?? this.world.ids.next();
    // Sealed outside the transaction: the place needs only the id.
    const { text: sealed, keyId } = await this.vault.seal(secretText(parsed.secret).reveal(), {
      purpose: 'credential',
      organizationId,
      rowId,
    });
    const at = this.world.clock.now();
    const { renewal } = kinds[place.kind];
    const secret = {
      hint: parsed.hint,
      sealed,
      keyId,
      settings: parsed.settings,
      expiresAt: parsed.expiresAt,
      renewAt: parsed.expiresAt && renewal === 'login' ? firstDueAt(at, parsed.expiresAt) : null,
      warnAt: warnAtOf(place.kind, at),
      lineage: this.world.ids.next(),
      connectedBy: actor.userId,
      at,
    };
    const row = await this.database.tenant(organizationId, async (tenant) => {
      await this.stillMay(tenant, actor, place);
      const stored = existing
        ? await credentialsStore.replace(tenant, rowId, secret)
        : await credentialsStore.create(tenant, rowId, place, secret);
      if (stored) {
        this.audit.record(tenant, {
          action: 'credential.set',
          actor: auditedMember(actor),
          subject: { type: 'credential', id: rowId, name: place.kind },
          details: {
            scope: place.scope,
            generation: stored.generation,
            ...(inside ? { by: 'sign-in' } : {}),
          },
        });
        await inside?.(tenant, rowId);
        await this.renewals.tellChanged(tenant, rowId);
      }
      return stored;
    });
    // Removed between the two looks: setting it means it shall be there.
    return row ?? this.store(actor, place, parsed, inside);
  }
}

function parse(kind: Kind, body: unknown): ParsedCredential {
  const parsed = kinds[kind].input.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) => fieldErrors('body', body, issue, `is not a field of ${kind}`)),
  );
}

/** A pair that has run out was copied some time ago, and whoever it was copied from has very likely used up its refresh token since (providers.md 0.7). */
function refuseRunOut({ expiresAt }: ParsedCredential, now: Date): void {
  if (expiresAt === null || expiresAt > now) return;
  throw invalid([
    {
      path: 'body.expiresAt',
      message: 'is over: this pair was copied too long ago. Sign in again, and copy both tokens at once',
    },
  ]);
}
