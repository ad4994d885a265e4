import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../../audit/index.js';
import type { ExternalSystem } from '../../contracts/index.js';
import { keysOf, ofOrganizations, SealedTables, Vault, type SealedPlace } from '../../credentials/index.js';
import { Database, SystemStore, type Tenant } from '../../database/index.js';
import { auditedMember, hashToken, IdentityService, type Actor, type Person } from '../../identity/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { askingPage } from './asking-page.js';
import { ATTEMPT_SECONDS, isToBeAsked, refusalOf, type Purpose } from './attempt.js';
import { attemptsStore } from './attempts.store.js';

const BYTES = 32;
/** So long one that is over is kept, so that whoever comes late is told why. */
const KEPT_MS = 24 * 3600 * 1000;

/** What goes with an attempt and comes back by it: small texts, sealed. */
export type AttemptNotes = Record<string, string>;

export interface Begun {
  /** Goes to the other system and comes back; here only its hash is kept. */
  state: string;
  /** PKCE (RFC 7636): its challenge goes with the link, it itself with the code. */
  verifier: string;
  expiresAt: Date;
}

export interface Claimed {
  /** Who began it, as they are now. */
  actor: Actor;
  system: ExternalSystem;
  purpose: Purpose;
  verifier: string;
  notes: AttemptNotes;
}

/** Ways to other systems and back: begun by a member, finished by the state alone, once, within a quarter of an hour. */
@Injectable()
export class ConnectionAttempts {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly identity: IdentityService,
    private readonly vault: Vault,
    private readonly world: World,
    private readonly audit: Audit,
    tables: SealedTables,
  ) {
    tables.add(
      ofOrganizations(database, {
        name: 'connection attempts',
        ...keysOf(system.keys, 'connectionAttempt'),
        sealed: (tenant, id) => attemptsStore.sealed(tenant, id),
        reseal: (tenant, id, before, after) => attemptsStore.reseal(tenant, id, before, after),
        place,
      }),
    );
  }

  /** Begins one. May be a part of the caller's transaction. Throws `not-found` for who is a member no more. */
  async begin(
    actor: Actor,
    system: ExternalSystem,
    purpose: Purpose,
    notes: AttemptNotes = {},
  ): Promise<Begun> {
    const { organizationId, userId, via } = actor;
    const [state, verifier] = [this.randomText(), this.randomText()];
    const id = this.world.ids.next();
    const sealed = await this.vault.seal(JSON.stringify({ verifier, via, notes }), place(organizationId, id));
    const createdAt = this.world.clock.now();
    const expiresAt = new Date(createdAt.getTime() + ATTEMPT_SECONDS * 1000);
    await this.database.tenant(organizationId, async (tenant) => {
      await this.identity.hold(tenant, actor);
      const proof = { stateHash: hashToken(state), sealed: sealed.text, keyId: sealed.keyId };
      const attempt = { id, userId, system, purpose, ...proof, createdAt, expiresAt };
      await attemptsStore.begin(tenant, attempt, new Date(createdAt.getTime() - KEPT_MS));
      this.audit.record(tenant, {
        action: 'connection.begun',
        actor: auditedMember(actor),
        subject: { type: 'connection', id, name: system },
        details: { purpose },
      });
    });
    return { state, verifier, expiresAt };
  }

  /** What could be finished now with this state, which is not used up by the question: so that nobody makes something elsewhere that is good for nothing here. Throws as `claim`. */
  async look(
    state: string,
    system: ExternalSystem,
    person: Person | null,
  ): Promise<{ userId: string; purpose: Purpose }> {
    const address = await this.system.connections.attemptByState(hashToken(state));
    const attempt =
      address &&
      (await this.database.tenant(address.organizationId, (tenant) =>
        attemptsStore.find(tenant, address.id),
      ));
    const refusal = refusalOf(attempt, system, person, this.world.clock.now());
    if (!attempt || refusal !== null) throw new BerthError('login-refused', refusal ?? '');
    return { userId: attempt.userId, purpose: attempt.purpose as Purpose };
  }

  /**
   * Uses up the attempt that this state belongs to, before anything is asked of the other system: what was begun is finished once, by whoever brings the state, but by no other person who is
   * signed in. Throws `login-refused` with what to do.
   */
  async claim(state: string, system: ExternalSystem, person: Person | null): Promise<Claimed> {
    const now = this.world.clock.now();
    const address = await this.system.connections.attemptByState(hashToken(state));
    const refused = (message: string): BerthError => new BerthError('login-refused', message);
    if (!address) throw refused(refusalOf(null, system, person, now) ?? '');
    const { id, organizationId } = address;
    const { actor, purpose, opened } = await this.database.tenant(organizationId, async (tenant) => {
      const attempt = await attemptsStore.find(tenant, id);
      const refusal = refusalOf(attempt, system, person, now);
      if (!attempt || refusal !== null) throw refused(refusal ?? '');
      // Of two at once one gets here first; what it says to the other is what it would say a moment later.
      if (!(await attemptsStore.use(tenant, id, now)))
        throw refused(refusalOf({ ...attempt, usedAt: now }, system, person, now) ?? '');
      const opened = await this.opened(tenant, id);
      const actor = await this.identity.actorInside(tenant, attempt.userId, opened.via);
      if (!actor) throw refused(refusalOf(null, system, person, now) ?? '');
      return { actor, purpose: attempt.purpose as Purpose, opened };
    });
    return { actor, system, purpose, verifier: opened.verifier, notes: opened.notes };
  }

  /**
   * The page that asks whoever came back whether they go on; null: they need not be asked. Before `claim`, and nothing is used up by it: going on brings the same request again, from that page.
   */
  async question(
    request: Request,
    state: string,
    system: ExternalSystem,
    person: Person | null,
  ): Promise<string | null> {
    if (!isToBeAsked(person, request.get('sec-fetch-mode'), request.get('sec-fetch-site'))) return null;
    const address = await this.system.connections.attemptByState(hashToken(state));
    const begun =
      address &&
      (await this.database.tenant(address.organizationId, async (tenant) => {
        const attempt = await attemptsStore.find(tenant, address.id);
        // What leads nowhere is refused in words by `claim`.
        if (!attempt || refusalOf(attempt, system, person, this.world.clock.now()) !== null) return null;
        const { via } = await this.opened(tenant, address.id);
        const actor = await this.identity.actorInside(tenant, attempt.userId, via);
        const organization = await this.identity.nameInside(tenant);
        return actor && { actor, organization, purpose: attempt.purpose as Purpose };
      }));
    return begun ? askingPage(system, begun, request.originalUrl) : null;
  }

  private async opened(
    tenant: Tenant,
    id: string,
  ): Promise<{ verifier: string; via: Actor['via']; notes: AttemptNotes }> {
    const row = await attemptsStore.sealed(tenant, id);
    const text = await this.vault.open(row?.sealed ?? '', place(tenant.organizationId, id));
    return JSON.parse(text) as { verifier: string; via: Actor['via']; notes: AttemptNotes };
  }

  /** 256 bits, and as a PKCE verifier of the shortest length that RFC 7636 allows. */
  private randomText(): string {
    return this.world.random(BYTES).toString('base64url');
  }
}

function place(organizationId: string, rowId: string): SealedPlace {
  return { purpose: 'connection-attempt', organizationId, rowId };
}
