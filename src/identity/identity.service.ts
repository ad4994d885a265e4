import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type {
  ApiKeyView,
  Body,
  MemberView,
  OrganizationView,
  PageQuery,
  Role,
  UserView,
  createOrganizationRoute,
  setupRoute,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import {
  Database,
  isUniqueViolation,
  SystemStore,
  type Founding,
  type Tenant,
  type Transaction,
} from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { pageOf, sliceOf, type Page } from '../http/index.js';
import { BerthError, World } from '../kernel/index.js';
import { administers, auditedMember, auditedPerson, type Actor, type Person } from './actor.js';
import { newApiKey } from './api-key.js';
import { identityStore } from './identity.store.js';
import { hashPassword } from './password.js';
import { SetupToken } from './setup-token.js';

type OrganizationInput = Body<typeof createOrganizationRoute>;

const notFound = (what: string) => new BerthError('not-found', `There is no such ${what} here.`);

export interface OrganizationLimits {
  maxWorkspaces: number;
  maxRunning: number;
  maxRequestsPerSecond: number;
}

/** Organizations, their members and API keys. */
@Injectable()
export class IdentityService {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly world: World,
    private readonly setupToken: SetupToken,
    private readonly audit: Audit,
  ) {}

  /** First run. Throws `already-set-up`, `setup-token-invalid`. */
  async setUp(
    input: Body<typeof setupRoute>,
  ): Promise<{ organization: OrganizationView; user: UserView; apiKey: string }> {
    if (!(await this.system.isFirstRun())) throw alreadySetUp();
    if (!sameText(input.token, this.setupToken.text)) {
      throw new BerthError(
        'setup-token-invalid',
        'The setup token is wrong. Berth prints it when it starts, or takes it from BERTH_SETUP_TOKEN.',
      );
    }
    const now = this.world.clock.now();
    const user = {
      id: this.world.ids.next(),
      name: input.user.name,
      email: input.user.email,
      instanceAdministrator: true,
    };
    const { founding, apiKey, organization } = this.founding(input.organization, user.id, now);
    // Who holds the token printed by the server is trusted about the address, too: hence verified.
    const passwordHash = await hashPassword(input.user.password);
    const first = await this.system.foundFirst(
      { ...user, passwordHash, emailVerifiedAt: now, createdAt: now },
      founding,
      (db) => this.bookFounding(db, 'instance.set-up', user, founding),
    );
    if (!first) throw alreadySetUp();
    return { organization, user, apiKey };
  }

  /** A further organization with the caller as owner. Throws `slug-taken`. */
  async createOrganization(
    person: Person,
    input: OrganizationInput,
  ): Promise<{ organization: OrganizationView; apiKey: string }> {
    const { founding, apiKey, organization } = this.founding(input, person.id, this.world.clock.now());
    try {
      await this.system.found(founding, (db) =>
        this.bookFounding(db, 'organization.created', person, founding),
      );
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new BerthError('slug-taken', `The slug ${input.slug} is taken. Choose another.`, {
        cause: error,
      });
    }
    return { organization, apiKey };
  }

  async me(
    person: Person,
  ): Promise<{ user: UserView; organizations: { id: string; slug: string; name: string; role: Role }[] }> {
    const memberships = await this.membershipsOf(person);
    const { id, name, email, instanceAdministrator } = person;
    return {
      user: { id, name, email, instanceAdministrator },
      organizations: memberships.map((m) => ({
        id: m.organizationId,
        slug: m.slug,
        name: m.name,
        role: m.role as Role,
      })),
    };
  }

  /**
   * The person as a member of the organization with this slug or id, and how many requests that may make; null when they are not, or when their API key is another organization's. The
   * caller answers 404 to both, so that nobody learns which organizations exist.
   */
  async actorIn(
    person: Person,
    slugOrId: string,
  ): Promise<{ actor: Actor; maxRequestsPerSecond: number } | null> {
    const memberships = await this.membershipsOf(person);
    const found = memberships.find((m) => m.slug === slugOrId || m.organizationId === slugOrId);
    if (!found) return null;
    const { id: userId, name, email } = person;
    const { organizationId, maxRequestsPerSecond } = found;
    return {
      actor: { organizationId, userId, name, email, role: found.role as Role, via: person.via },
      maxRequestsPerSecond,
    };
  }

  async organization(actor: Actor): Promise<OrganizationView> {
    const row = await this.database.tenant(actor.organizationId, (tenant) =>
      identityStore.organization(tenant),
    );
    if (!row) throw notFound('organization');
    return { id: row.id, name: row.name, slug: row.slug, createdAt: row.createdAt.toISOString() };
  }

  /** Its name. Inside a transaction of the caller. */
  async nameInside(tenant: Tenant): Promise<string> {
    return (await identityStore.organization(tenant))?.name ?? '';
  }

  /** A member of the actor's organization. Throws `not-found`. */
  async member(actor: Actor, userId: string): Promise<{ id: string; name: string; email: string }> {
    const row = await this.database.tenant(actor.organizationId, (tenant) =>
      identityStore.member(tenant, userId),
    );
    if (!row) throw notFound('member');
    return row.user;
  }

  /** As `member`, inside a transaction of the caller; null when they are a member no more. */
  async memberInside(tenant: Tenant, userId: string): Promise<{ name: string; email: string } | null> {
    const row = await identityStore.member(tenant, userId);
    return row ? { name: row.user.name, email: row.user.email } : null;
  }

  /** Inside a transaction of the caller. */
  async isMember(tenant: Tenant, userId: string): Promise<boolean> {
    return (await this.membersAmong(tenant, [userId])).has(userId);
  }

  /** As `isMember`, of many. */
  async membersAmong(tenant: Tenant, userIds: string[]): Promise<ReadonlySet<string>> {
    return new Set((await identityStore.roles(tenant, userIds)).keys());
  }

  /** A member as who acts, for what goes on after their request; null when they are a member no more. Inside a transaction of the caller. */
  async actorInside(tenant: Tenant, userId: string, via: Actor['via']): Promise<Actor | null> {
    const row = await identityStore.member(tenant, userId);
    if (!row) return null;
    const { name, email } = row.user;
    return { organizationId: tenant.organizationId, userId, name, email, role: row.role as Role, via };
  }

  /** What the organization may have at a time. Each works inside a transaction of the caller. */
  limits(tenant: Tenant): Promise<OrganizationLimits> {
    return identityStore.limits(tenant);
  }

  /** As `limits`, which nobody changes, and nobody else locks, until the transaction ends. To be called after any workspace is locked. */
  lockLimits(tenant: Tenant): Promise<OrganizationLimits> {
    return identityStore.lockLimits(tenant);
  }

  /** Whether a member whose own credentials fail is served by the organization's. Each works inside a transaction of the caller. */
  async organizationFallback(tenant: Tenant): Promise<boolean> {
    return (await identityStore.organizationFallback(tenant)).organizationFallback;
  }

  setOrganizationFallback(tenant: Tenant, allowed: boolean): Promise<void> {
    return identityStore.setOrganizationFallback(tenant, allowed);
  }

  /** Whether work that no person asked for may use the organization's credentials. Each works inside a transaction of the caller. */
  automation(tenant: Tenant): Promise<boolean> {
    return identityStore.automation(tenant);
  }

  setAutomation(tenant: Tenant, allowed: boolean): Promise<void> {
    return identityStore.setAutomation(tenant, allowed);
  }

  /** Which hosts the organization's agents may reach, and whether it decided so itself. Each works inside a transaction of the caller. */
  egress(tenant: Tenant): Promise<{ decided: boolean; hosts: string[] }> {
    return identityStore.egress(tenant);
  }

  setEgress(tenant: Tenant, decision: { decided: boolean; hosts: string[] }): Promise<void> {
    return identityStore.setEgress(tenant, decision);
  }

  changeLimits(
    tenant: Tenant,
    change: { [Name in keyof OrganizationLimits]: number | undefined },
  ): Promise<OrganizationLimits> {
    return identityStore.changeLimits(tenant, change);
  }

  /** Of any organization; for who administers the instance. Throws `not-found`. */
  async organizationId(slugOrId: string): Promise<string> {
    const id = await this.system.findOrganization(slugOrId);
    if (!id) throw notFound('organization');
    return id;
  }

  /** The actor as they are now: the role may have changed since they came. Throws `not-found` when they are a member no more. */
  async still(tenant: Tenant, actor: Actor): Promise<Actor> {
    return inRole(actor, (await identityStore.member(tenant, actor.userId))?.role);
  }

  /** As `still`, for many who are answered for longer than a request. Without those who are members no more, or whose API key is deleted or has expired. Sessions: `SignInService.signedOut`. */
  async stillAll(tenant: Tenant, actors: Actor[]): Promise<Map<Actor, Actor>> {
    const roles = await identityStore.roles(tenant, [...new Set(actors.map(({ userId }) => userId))]);
    const keyIds = new Set(actors.flatMap(({ via }) => (via.type === 'api-key' ? via.id : [])));
    const keys = await identityStore.validApiKeys(tenant, [...keyIds], this.world.clock.now());
    const now = actors.flatMap((actor): [Actor, Actor][] => {
      const role = roles.get(actor.userId) as Role | undefined;
      const isValid = actor.via.type !== 'api-key' || keys.has(actor.via.id);
      return role && isValid ? [[actor, { ...actor, role }]] : [];
    });
    return new Map(now);
  }

  /** As `still`, and a member until the transaction ends. To be called before any workspace is locked. */
  async hold(tenant: Tenant, actor: Actor): Promise<Actor> {
    return inRole(actor, await identityStore.holdMember(tenant, actor.userId));
  }

  async listMembers(actor: Actor, query: PageQuery): Promise<Page<MemberView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      identityStore.members(tenant, slice),
    );
    return pageOf(
      rows.map(({ user, role, createdAt }) => ({
        ...user,
        role: role as Role,
        createdAt: createdAt.toISOString(),
      })),
      slice,
      (member) => member,
    );
  }

  async listApiKeys(actor: Actor, query: PageQuery): Promise<Page<ApiKeyView>> {
    const slice = sliceOf(query);
    const whose = administers(actor) ? null : actor.userId;
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      identityStore.apiKeys(tenant, whose, slice),
    );
    return pageOf(rows, slice, apiKeyView);
  }

  /** A key that acts as the actor; its text is in this answer and nowhere else. */
  async createApiKey(
    actor: Actor,
    input: { name: string; expiresAt?: string | undefined },
  ): Promise<ApiKeyView & { apiKey: string }> {
    const now = this.world.clock.now();
    const expiresAt = input.expiresAt ? new Date(input.expiresAt) : null;
    if (expiresAt && expiresAt <= now) {
      throw new BerthError('validation-failed', 'body.expiresAt: must be in the future', {
        errors: [{ path: 'body.expiresAt', message: 'must be in the future' }],
      });
    }
    const { text, prefix, hash } = newApiKey(this.world.random);
    const key = {
      id: this.world.ids.next(),
      userId: actor.userId,
      name: input.name,
      prefix,
      hash,
      expiresAt,
      createdAt: now,
    };
    const row = await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.hold(tenant, actor);
      this.audit.record(tenant, {
        action: 'api-key.created',
        actor: auditedMember(actor),
        subject: { type: 'api-key', id: key.id, name: key.name },
        details: { prefix: `berth_${prefix}`, expiresAt: expiresAt?.toISOString() ?? null },
      });
      return identityStore.createApiKey(tenant, key);
    });
    return { ...apiKeyView(row), apiKey: text };
  }

  /** Deletes one's own key; an admin anybody's. Throws `not-found`. */
  async deleteApiKey(actor: Actor, id: string): Promise<void> {
    const whose = administers(actor) ? null : actor.userId;
    await this.database.tenant(actor.organizationId, async (tenant) => {
      const deleted = await identityStore.deleteApiKey(tenant, id, whose);
      if (!deleted) throw notFound('API key');
      // Streams that were opened with it end.
      await eventsStore.notify(tenant, id);
      this.audit.record(tenant, {
        action: 'api-key.deleted',
        actor: auditedMember(actor),
        subject: { type: 'api-key', id, name: deleted.name },
        details: { prefix: `berth_${deleted.prefix}`, userId: deleted.userId },
      });
    });
  }

  private async membershipsOf(person: Person) {
    const memberships = await this.system.membershipsOf(person.id);
    const { via } = person;
    return via.type === 'api-key'
      ? memberships.filter((m) => m.organizationId === via.organizationId)
      : memberships;
  }

  /** In the chain of the instance, and as the first entry of the organization's own. */
  private async bookFounding(
    db: Transaction,
    action: 'instance.set-up' | 'organization.created',
    person: Pick<Person, 'id' | 'name'> & { via?: Person['via'] },
    { organization: { id, name, slug }, apiKey }: Founding,
  ): Promise<void> {
    const entry = {
      actor: auditedPerson(person),
      subject: { type: 'organization' as const, id, name },
      details: { slug, apiKeyPrefix: `berth_${apiKey.prefix}` },
    };
    await this.audit.appendToInstance(db, { ...entry, action });
    await this.audit.append(db, id, { ...entry, action: 'organization.created' });
  }

  private founding(input: OrganizationInput, ownerId: string, now: Date) {
    const { text, prefix, hash } = newApiKey(this.world.random);
    const organization = { id: this.world.ids.next(), slug: input.slug, name: input.name, createdAt: now };
    const founding: Founding = {
      organization,
      owner: { id: ownerId, createdAt: now },
      apiKey: { id: this.world.ids.next(), name: 'First key', prefix, hash, createdAt: now },
    };
    return { founding, apiKey: text, organization: { ...organization, createdAt: now.toISOString() } };
  }
}

function inRole(actor: Actor, role: string | null | undefined): Actor {
  if (!role) throw notFound('organization');
  return { ...actor, role: role as Role };
}

function alreadySetUp(): BerthError {
  return new BerthError(
    'already-set-up',
    'This Berth is set up already. Sign in, or ask its administrator for an invitation.',
  );
}

function apiKeyView(row: Awaited<ReturnType<typeof identityStore.createApiKey>>): ApiKeyView {
  return {
    id: row.id,
    name: row.name,
    prefix: `berth_${row.prefix}`,
    userId: row.userId,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  };
}

function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
