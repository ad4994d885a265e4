import { Injectable } from '@nestjs/common';
import {
  upstreamOf,
  type Agent,
  type CredentialView,
  type Kind,
  type Lease,
  type PageQuery,
  type Resolution,
  type Scope,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, isUniqueViolation, type Tenant } from '../database/index.js';
import { invalid, pageOf, sliceOf, type Page } from '../http/index.js';
import { administers, auditedMember, IdentityService, type Actor } from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import {
  credentialsStore,
  type CredentialPlace,
  type CredentialRow,
  type LeaseRow,
} from './credentials.store.js';
import { kinds, secretText, type ParsedCredential } from './kinds.js';
import { resolve, subscriptionAllowed, type CredentialFacts, type SubscriptionPolicy } from './resolution.js';
import { Vault } from './vault.js';

/** A lease is asked anew after so long: what was removed meanwhile serves no longer than that. */
const LEASE_SECONDS = 5;
/** A proxy on another machine may have a clock that is a little behind ours. */
const CLOCK_MARGIN_MS = 250;

/** What the instance's owner decided, handed in from config. */
export class CredentialPolicy {
  constructor(readonly subscriptions: SubscriptionPolicy) {}
}

/** Whom a credential serves: the member for whom the agent works. */
export interface ServedMember {
  organizationId: string;
  userId: string;
  agent: Agent;
}

export interface LeaseTerms {
  stillFor: (tenant: Tenant) => Promise<boolean>;
  /** How long a member's own is leased, where it is to be shorter than usual. */
  ownSeconds?: number | undefined;
}

/** Whose credential served, of which kind, and why resolution chose it. */
export interface ServedBy {
  scope: Scope;
  kind: Kind;
  reason: string;
  /** The member whose own it is; null for the organization's. */
  userId: string | null;
}

/** Sets, lists, resolves and leases credentials. */
@Injectable()
export class CredentialsService {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly vault: Vault,
    private readonly policy: CredentialPolicy,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  async list(actor: Actor, query: PageQuery): Promise<Page<CredentialView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      credentialsStore.visibleTo(tenant, actor.userId, slice),
    );
    return pageOf(rows, slice, view);
  }

  /** Sets the actor's own or (admins) the organization's credential. Throws `forbidden`, `validation-failed`, `not-found` for who was just removed. */
  async set(actor: Actor, scope: Scope, kind: Kind, body: unknown): Promise<CredentialView> {
    const place = placeFor(actor, scope, kind);
    if (kinds[kind].subscription && !subscriptionAllowed(scope, this.policy.subscriptions)) {
      throw new BerthError(
        'forbidden',
        `This Berth does not allow a ${kinds[kind].title} here. Use an API key, or ask who runs it (BERTH_SUBSCRIPTION_OAUTH).`,
      );
    }
    const parsed = parse(kind, body);
    try {
      return view(await this.store(actor, place, parsed));
    } catch (error) {
      // Two first settings at once: the other one was quicker, so ours is a replacement now.
      if (!isUniqueViolation(error)) throw error;
      return view(await this.store(actor, place, parsed));
    }
  }

  /** Throws `forbidden`, `not-found`. */
  async remove(actor: Actor, scope: Scope, kind: Kind): Promise<void> {
    const place = placeFor(actor, scope, kind);
    await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.stillMay(tenant, actor, place);
      const removed = await credentialsStore.remove(tenant, place);
      if (!removed) throw new BerthError('not-found', `There is no ${kinds[kind].title} here to remove.`);
      this.audit.record(tenant, {
        action: 'credential.removed',
        actor: auditedMember(actor),
        subject: { type: 'credential', id: removed.id, name: kind },
        details: { scope, generation: removed.generation },
      });
    });
  }

  /** Explains resolution for a member; another member's only to admins. Throws `forbidden`, `not-found`. */
  async explain(actor: Actor, agent: Agent, userId = actor.userId): Promise<Resolution> {
    if (userId !== actor.userId) {
      if (!administers(actor))
        throw new BerthError('forbidden', 'Only an admin may ask about another member.');
      await this.identity.member(actor, userId);
    }
    return this.resolve({ organizationId: actor.organizationId, userId, agent });
  }

  async resolve({ organizationId, userId, agent }: ServedMember): Promise<Resolution> {
    const rows = await this.database.tenant(organizationId, (tenant) =>
      credentialsStore.visibleTo(tenant, userId),
    );
    return resolve(agent, rows.map(facts), this.policy.subscriptions, this.world.clock.now());
  }

  /**
   * Leases the chosen credential to a workspace (`subjectId`; what it is does not matter here). Resolved at each lease from the rows as they are, never from memory
   * (rule 7). `stillFor` is asked in the transaction that books the lease, whether the subject still works for this member. Throws `no-agent-credential`, `not-ready`.
   */
  async lease(
    member: ServedMember,
    subjectId: string,
    { stillFor, ownSeconds = LEASE_SECONDS }: LeaseTerms,
  ): Promise<Lease> {
    const { chosen } = await this.resolve(member);
    if (!chosen) throw noCredential(member.agent);
    const { organizationId } = member;
    const { credentialId, scope, kind, reason } = chosen;
    const row = await this.database.tenant(organizationId, (tenant) =>
      credentialsStore.sealed(tenant, credentialId),
    );
    // Removed between the two looks: the next lease resolves without it.
    if (!row)
      throw new BerthError('not-ready', 'The credential was just removed. Ask again.', {
        retryAfterSeconds: 1,
      });
    const { generation } = row;
    const opened = await this.vault.open(row.sealed, {
      purpose: 'credential',
      organizationId,
      rowId: credentialId,
    });
    const { lease } = kinds[kind];
    if (typeof lease !== 'function') throw noCredential(member.agent);
    const seconds = scope === 'user' ? ownSeconds : LEASE_SECONDS;
    const expiresAt = new Date(this.world.clock.now().getTime() + seconds * 1000);
    const userId = scope === 'user' ? member.userId : null;
    const granted = {
      workspaceId: subjectId,
      credentialId,
      generation,
      scope,
      kind,
      reason,
      userId,
      expiresAt,
    };
    await this.database.tenant(organizationId, async (tenant) => {
      if (!(await stillFor(tenant)))
        throw new BerthError('not-ready', 'It works for somebody else by now. Ask again.', {
          retryAfterSeconds: 1,
        });
      const isFirst = await credentialsStore.saveLease(tenant, granted);
      if (isFirst) this.bookUse(tenant, member, granted);
    });
    return {
      credentialId,
      generation,
      expiresAt: expiresAt.toISOString(),
      secret: lease(JSON.parse(opened) as Record<string, string>),
    };
  }

  /** When a proxy has surely forgotten what it holds for a workspace and is another person's own; null: it holds nothing of that. Inside a transaction of the caller. */
  async foreignUntil(tenant: Tenant, subjectId: string, userId: string): Promise<Date | null> {
    const since = new Date(this.world.clock.now().getTime() - CLOCK_MARGIN_MS);
    const last = await credentialsStore.foreignLease(tenant, subjectId, userId, since);
    return last && new Date(last.expiresAt.getTime() + CLOCK_MARGIN_MS);
  }

  /** By which lease a credential served, also after the credential is gone; null when there was none. Inside a transaction of the caller. */
  async servedBy(
    tenant: Tenant,
    subjectId: string,
    credentialId: string,
    generation: number,
  ): Promise<ServedBy | null> {
    const lease = await credentialsStore.findLease(tenant, subjectId, credentialId, generation);
    return (
      lease && {
        scope: lease.scope as Scope,
        kind: lease.kind as Kind,
        reason: lease.reason,
        userId: lease.userId,
      }
    );
  }

  /** A provider refused a credential: kept as its last error, for people. */
  noteRefusal(
    tenant: Tenant,
    credentialId: string,
    generation: number,
    status: number,
    errorType: string | null,
  ): Promise<void> {
    const said = `refused with status ${status}${errorType ? ` (${errorType})` : ''}`;
    return credentialsStore.noteRefusal(tenant, credentialId, generation, said, this.world.clock.now());
  }

  /** Once per workspace and secret, not per lease: every 5 seconds would say nothing more. */
  private bookUse(tenant: Tenant, { userId, agent }: ServedMember, lease: LeaseRow): void {
    const { workspaceId, credentialId, kind, scope, generation, reason } = lease;
    this.audit.record(tenant, {
      action: 'credential.used',
      actor: { type: 'machine', id: workspaceId, name: 'proxy of the workspace', apiKeyId: null },
      subject: { type: 'credential', id: credentialId, name: kind },
      details: { scope, generation, agent, reason, forMember: userId },
    });
  }

  /** Asked of the row, and holds it: who was removed, or is no admin any more, since the request began leaves nothing behind. Throws `not-found`, `forbidden`. */
  private async stillMay(tenant: Tenant, actor: Actor, { scope, kind }: CredentialPlace): Promise<void> {
    placeFor(await this.identity.hold(tenant, actor), scope, kind);
  }

  private async store(
    actor: Actor,
    place: CredentialPlace,
    parsed: ParsedCredential,
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
    const secret = {
      hint: parsed.hint,
      sealed,
      keyId,
      settings: parsed.settings,
      at: this.world.clock.now(),
    };
    const row = await this.database.tenant(organizationId, async (tenant) => {
      await this.stillMay(tenant, actor, place);
      const stored = existing
        ? await credentialsStore.replace(tenant, rowId, secret)
        : await credentialsStore.create(tenant, rowId, place, secret);
      if (stored)
        this.audit.record(tenant, {
          action: 'credential.set',
          actor: auditedMember(actor),
          subject: { type: 'credential', id: rowId, name: place.kind },
          details: { scope: place.scope, generation: stored.generation },
        });
      return stored;
    });
    // Removed between the two looks: setting it means it shall be there.
    return row ?? this.store(actor, place, parsed);
  }
}

export function noCredential(agent: Agent): BerthError {
  const name = upstreamOf[agent] === 'anthropic' ? 'Claude Code' : 'Codex';
  return new BerthError(
    'no-agent-credential',
    `No usable credential for ${name}. Set your own or the organization's (PUT …/credentials/{scope}/{kind}); GET …/credentials/resolution?agent=${agent} explains what is missing.`,
  );
}

function placeFor(actor: Actor, scope: Scope, kind: Kind): CredentialPlace {
  if (scope === 'organization' && !administers(actor)) {
    throw new BerthError(
      'forbidden',
      'Only an admin may change the credentials of the organization. Use the scope user for your own.',
    );
  }
  return { scope, kind, userId: scope === 'user' ? actor.userId : null };
}

function parse(kind: Kind, body: unknown): ParsedCredential {
  const parsed = kinds[kind].input.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ path: `body.${key}`, message: `is not a field of ${kind}` }))
        : [{ path: ['body', ...issue.path.map(String)].join('.'), message: issue.message }],
    ),
  );
}

function facts(row: CredentialRow): CredentialFacts {
  return {
    ...row,
    scope: row.scope as Scope,
    kind: row.kind as Kind,
    status: row.status as CredentialFacts['status'],
  };
}

function view(row: CredentialRow): CredentialView {
  return {
    id: row.id,
    scope: row.scope as Scope,
    kind: row.kind as Kind,
    status: row.status as CredentialView['status'],
    hint: row.hint,
    generation: row.generation,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    limitedUntil: row.limitedUntil?.toISOString() ?? null,
    lastRotatedAt: row.lastRotatedAt?.toISOString() ?? null,
    lastError: row.lastError,
  };
}
