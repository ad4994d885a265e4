import { Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../../audit/index.js';
import {
  externalSystemNames,
  type AuditActor,
  type ExternalAccountView,
  type ExternalSystem,
} from '../../contracts/index.js';
import type { Tenant } from '../../database/index.js';
import { PublicUrl } from '../../http/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { auditedMember, type Actor } from '../actor.js';
import { hashToken } from '../api-key.js';
import { IdentityService } from '../identity.service.js';
import { identityStore } from '../identity.store.js';
import { externalAccountsStore, type ExternalAccountRow } from './external-accounts.store.js';
import {
  decideLink,
  decideWho,
  provenEmail,
  type AccountProof,
  type ExternalPerson,
  type Found,
} from './person.js';

const TOKEN_BYTES = 32;
/** As an invitation's. */
const LINK_DAYS = 7;
const DAY_MS = 24 * 3600 * 1000;

/** An account that is to be a member's. `by` is who did it, where it was not Berth itself. */
export interface Linking {
  userId: string;
  person: ExternalPerson;
  proof: Exclude<AccountProof, 'disconnected'>;
  by?: AuditActor;
}

/** What goes on when an account is connected. Runs inside the transaction. */
export type LinkHook = (
  tenant: Tenant,
  account: { system: ExternalSystem; externalId: string; userId: string },
) => Promise<void>;

const accounts = externalAccountsStore;

/** Who the people of other systems are here: each an account there, by its immutable id, of at most one member. Each works inside a transaction of the caller. */
@Injectable()
export class ExternalAccounts {
  readonly #hooks: LinkHook[] = [];

  constructor(
    private readonly identity: IdentityService,
    private readonly publicUrl: PublicUrl,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Adds what waits for somebody to be connected. */
  whenLinked(hook: LinkHook): void {
    this.#hooks.push(hook);
  }

  /** Whether somebody has connected this account. A quick look, that decides nothing. */
  async isLinked(tenant: Tenant, system: ExternalSystem, externalId: string): Promise<boolean> {
    const account = await accounts.byId(tenant, system, externalId);
    return account !== null && account.proof !== 'disconnected';
  }

  /** Who this is. By a proven address they are connected on the way, once; a name that changed is written down. What is refused as another's name is booked. */
  async find(tenant: Tenant, person: ExternalPerson): Promise<Found> {
    const { system, externalId, handle } = person;
    const byId = await accounts.byId(tenant, system, externalId);
    const email = byId ? null : provenEmail(person);
    // At Linear a name is nobody's alone.
    const isHandleOfAnother =
      !byId && system === 'github' && handle !== null
        ? await accounts.isHandleOfAnother(tenant, { system, externalId, handle })
        : false;
    const byEmail = email === null ? [] : await accounts.membersWithEmail(tenant, system, email);
    const decision = decideWho(person, { byId, isHandleOfAnother, byEmail });
    switch (decision.do) {
      case 'refuse':
        if (decision.reason === 'handle-taken' || decision.reason === 'ambiguous')
          this.book(tenant, 'external-account.flagged', person, { reason: decision.reason });
        return { outcome: 'refused', reason: decision.reason };
      case 'nothing':
        return this.unlessConnectedNow(tenant, person);
      case 'link':
        await this.link(tenant, { userId: decision.userId, person, proof: 'email' });
        return this.known(tenant, await accounts.byId(tenant, system, externalId));
      case 'known':
        if (byId && decision.isRenamed && handle !== null) {
          await accounts.takeHandle(tenant, { id: byId.id, system, handle }, this.world.clock.now());
          this.book(tenant, 'external-account.renamed', person, { from: byId.handle });
        }
        return this.known(tenant, byId);
    }
  }

  /**
   * Makes an account a member's. Only who came from the other system themselves (`authorization`) takes it in place of another account of theirs, or takes up one that its member gave back; no
   * other proof moves anything. Throws `account-taken` when it is another member's, `forbidden` for an app, `not-found` for who is no member.
   */
  async link(tenant: Tenant, { userId, person, proof, by }: Linking): Promise<void> {
    const { system, externalId, handle } = person;
    if (person.isApp)
      throw new BerthError('forbidden', `An app of ${externalSystemNames[system]} is nobody’s account.`);
    // Held before anything is written in their name: who was just removed is connected to nothing.
    const role = await identityStore.holdMember(tenant, userId);
    if (!role) throw new BerthError('not-found', 'There is no such member here.');
    await accounts.lock(tenant, system, externalId);
    const there = await accounts.byId(tenant, system, externalId);
    const own = await accounts.ofMember(tenant, userId, system);
    const linking = decideLink(userId, proof, there, own);
    if (linking === 'taken') throw taken(person);
    if (linking === 'nothing') return;
    for (const row of [there, own]) if (row) await accounts.remove(tenant, row.id);
    const at = this.world.clock.now();
    const id = this.world.ids.next();
    const account = { id, userId, system, externalId, handle, email: provenEmail(person), proof, at };
    // Another account of theirs was connected at this very moment: who did so themselves is told, and no other proof is better than that one.
    if (!(await accounts.add(tenant, account))) {
      if (proof === 'authorization') throw taken(person);
      return;
    }
    if (handle !== null) await accounts.takeHandle(tenant, { id, system, handle }, at);
    await accounts.useLinks(tenant, system, externalId, at);
    const instead = own && own.externalId !== externalId ? (own.handle ?? own.externalId) : null;
    this.book(tenant, 'external-account.linked', person, { proof, userId, instead }, by, id);
    for (const hook of this.#hooks) await hook(tenant, { system, externalId, userId });
  }

  /** A link by which whoever proves to be this person at the other system connects. Null when there is an open one: it was said already. */
  async personalLink(
    tenant: Tenant,
    person: ExternalPerson,
  ): Promise<{ url: string; expiresAt: Date } | null> {
    const { system, externalId, handle } = person;
    // Two who ask at the same moment get one link.
    await accounts.lock(tenant, system, externalId);
    const createdAt = this.world.clock.now();
    if (await accounts.hasOpenLink(tenant, system, externalId, createdAt)) return null;
    const token = this.world.random(TOKEN_BYTES).toString('base64url');
    const expiresAt = new Date(createdAt.getTime() + LINK_DAYS * DAY_MS);
    const link = { id: this.world.ids.next(), system, externalId, handle, hash: hashToken(token) };
    await accounts.addLink(tenant, { ...link, createdAt, expiresAt });
    return { url: `${this.publicUrl.url}/connect/${system}/${token}`, expiresAt };
  }

  /** A member's account; null when they connected none. */
  async accountOf(
    tenant: Tenant,
    userId: string,
    system: ExternalSystem,
  ): Promise<{ externalId: string; handle: string | null } | null> {
    const row = await accounts.ofMember(tenant, userId, system);
    return row && row.proof !== 'disconnected' ? { externalId: row.externalId, handle: row.handle } : null;
  }

  /** A member's accounts, as they see them. */
  async listOf(tenant: Tenant, userId: string): Promise<ExternalAccountView[]> {
    const rows = await accounts.listOf(tenant, userId);
    return rows.map(({ system, externalId, handle, proof }) => ({
      ...{ system: system as ExternalSystem, externalId, handle },
      ...{ proof: proof as ExternalAccountView['proof'], organizationId: tenant.organizationId },
    }));
  }

  /** Takes a member's accounts from them, by their own act; answers how many. */
  async disconnect(tenant: Tenant, actor: Actor, system?: ExternalSystem): Promise<number> {
    const at = this.world.clock.now();
    const rows = (await accounts.listOf(tenant, actor.userId)).filter(
      (row) => !system || row.system === system,
    );
    let count = 0;
    for (const { id, externalId, handle, system: where } of rows) {
      if (!(await accounts.disconnect(tenant, id, at))) continue;
      count += 1;
      this.audit.record(tenant, {
        action: 'external-account.unlinked',
        actor: auditedMember(actor),
        subject: { type: 'external-account', id, name: handle },
        details: { system: where, externalId },
      });
    }
    return count;
  }

  /** A personal link, by its id. */
  linkInside(tenant: Tenant, id: string) {
    return accounts.link(tenant, id);
  }

  /**
   * Nobody, until the caller's transaction ends. Who is connected at this very moment was not seen: what is asked would wait for what has been done, and who connects finds nothing that waits. So one of the two comes
   * after the other's commit.
   */
  private async unlessConnectedNow(tenant: Tenant, person: ExternalPerson): Promise<Found> {
    const { system, externalId } = person;
    await accounts.lock(tenant, system, externalId);
    const now = await accounts.byId(tenant, system, externalId);
    return now && now.proof !== 'disconnected' ? this.find(tenant, person) : { outcome: 'unlinked' };
  }

  private async known(tenant: Tenant, account: ExternalAccountRow | null): Promise<Found> {
    const actor =
      account &&
      (await this.identity.actorInside(tenant, account.userId, { type: 'external-account', id: account.id }));
    return actor
      ? { outcome: 'linked', actor, accountId: account.id, proof: account.proof }
      : { outcome: 'unlinked' };
  }

  private book(
    tenant: Tenant,
    action: 'external-account.linked' | 'external-account.renamed' | 'external-account.flagged',
    { system, externalId, handle }: ExternalPerson,
    details: Record<string, string | null>,
    actor: AuditActor = systemActor('external accounts'),
    id: string | null = null,
  ): void {
    const subject = { type: 'external-account' as const, id, name: handle };
    this.audit.record(tenant, { action, actor, subject, details: { system, externalId, ...details } });
  }
}

function taken({ system, handle }: ExternalPerson): BerthError {
  const name = handle === null ? 'This account' : `The account ${handle}`;
  return new BerthError(
    'account-taken',
    `${name} at ${externalSystemNames[system]} is another member’s here. They have to disconnect it first.`,
  );
}
