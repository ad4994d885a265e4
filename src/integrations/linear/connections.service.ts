import { Inject, Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../../audit/index.js';
import type { AuditActor, LinearIntegration } from '../../contracts/index.js';
import {
  AppTokens,
  CredentialsService,
  LINEAR_SCOPES,
  ProviderLogins,
  type LinearGrant,
} from '../../credentials/index.js';
import { Database, isUniqueViolation, SystemStore, type Tenant } from '../../database/index.js';
import { PublicUrl } from '../../http/index.js';
import { administers, auditedMember, IdentityService, type Actor } from '../../identity/index.js';
import { BerthError, LOG, messageOf, Secret, World, type Log } from '../../kernel/index.js';
import { Conversations } from '../../triggers/index.js';
import { ConnectionAttempts, type Claimed } from '../accounts/connection-attempts.js';
import { LinearApi, passing } from './api.js';
import { linearConnectionsStore, type ConnectionRow } from './connections.store.js';
import { IDENTITY, type Identity } from './operations.js';

const PLACE = { scope: 'organization', userId: null, kind: 'linear_app' } as const;
const CALLBACK = '/oauth/linear/callback';
const WEBHOOK = '/webhooks/linear';
const NOT_CONNECTED = 'Linear is not connected. An admin connects it (berth integrations linear connect).';
const DISCONNECTED = { reason: 'Linear was disconnected from Berth.', isOver: false };
const REMOVED = { reason: 'Berth was removed from Linear.', isOver: true };

/** Ties organizations to Linear organizations: the app's login becomes the organization's credential, and by the Linear organization's id its deliveries are known. */
@Injectable()
export class LinearConnections {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly identity: IdentityService,
    private readonly attempts: ConnectionAttempts,
    private readonly logins: ProviderLogins,
    private readonly credentials: CredentialsService,
    private readonly tokens: AppTokens,
    private readonly api: LinearApi,
    private readonly conversations: Conversations,
    private readonly publicUrl: PublicUrl,
    private readonly world: World,
    private readonly audit: Audit,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async show({ organizationId }: Actor): Promise<LinearIntegration> {
    const row = await this.database.tenant(organizationId, (tenant) => linearConnectionsStore.find(tenant));
    return {
      isConfigured: this.logins.linear.endpoints.app !== null,
      webhookUrl: `${this.publicUrl.url}${WEBHOOK}`,
      redirectUrl: this.redirectUrl,
      connection: row && viewOf(row),
    };
  }

  /** Throws `not-connected` where this Berth has no app at Linear. */
  async begin(actor: Actor): Promise<{ url: string; expiresAt: string }> {
    const { state, verifier, expiresAt } = await this.attempts.begin(actor, 'linear', 'connect');
    const { redirectUrl } = this;
    const asked = { actor: 'app', redirectUrl, state, verifier } as const;
    return {
      url: this.logins.linear.authorizationUrl(asked),
      expiresAt: expiresAt.toISOString(),
    };
  }

  /**
   * Ends what `begin` began, with the code that Linear sent. A login that does not become a credential is ended again. Throws `login-refused`, `already-connected`, `forbidden` for who is no admin
   * any more.
   */
  async finish({ actor, verifier }: Claimed, code: string): Promise<Identity> {
    mustAdminister(actor);
    const grant = await this.logins.linear.exchange(code, verifier, this.redirectUrl);
    if (grant.outcome !== 'granted') throw refused(`${grant.reason}. Begin again.`);
    const token = new Secret(grant.value.credential.secret.accessToken ?? '');
    try {
      const identity = await this.api.identity(token);
      await this.mayTie(actor, identity, grant.value);
      await this.tie(actor, identity, grant.value);
      return identity;
    } catch (error) {
      await this.revoke(token);
      throw error instanceof BerthError ? error : refused(`${messageOf(error)}. Begin again.`);
    }
  }

  /** Who Berth is in an organization's Linear. Throws `not-connected`. */
  async self(organizationId: string): Promise<{ appUserId: string; name: string }> {
    const self = await this.database.tenant(organizationId, (tenant) => linearConnectionsStore.self(tenant));
    if (!self) throw new BerthError('not-connected', NOT_CONNECTED);
    return self;
  }

  /** Whether the organization is tied to Linear as this user of the app's. Nobody unties it until the transaction ends. */
  isTied(tenant: Tenant, appUserId: string): Promise<boolean> {
    return linearConnectionsStore.holds(tenant, appUserId);
  }

  /** Ends the login at Linear, and forgets it. What is still to be said waits for a while: an admin may connect it again. Throws `not-connected`, `forbidden`. */
  async disconnect(actor: Actor): Promise<void> {
    const { organizationId } = actor;
    mustAdminister(actor);
    const row = await this.database.tenant(organizationId, (tenant) => linearConnectionsStore.find(tenant));
    if (!row) throw new BerthError('not-connected', NOT_CONNECTED);
    // First there: forgotten here, nobody could end it any more.
    const token = await this.tokens.token(organizationId, 'linear_app').catch(() => null);
    if (token) await this.revoke(token.token);
    await this.database.tenant(organizationId, async (tenant) => {
      mustAdminister(await this.identity.hold(tenant, actor));
      // Another admin was quicker.
      if (!(await this.forget(tenant, row, DISCONNECTED, auditedMember(actor))))
        throw new BerthError('not-connected', NOT_CONNECTED);
    });
  }

  /**
   * Linear says that its side removed the app. It is asked whether that is so now: told late, it must not end what an admin has connected again since. False when the login still serves. Throws
   * `not-ready` when Linear cannot be asked.
   */
  async revokedThere(organizationId: string): Promise<boolean> {
    try {
      await this.api.ask(organizationId, IDENTITY, {});
      return false;
    } catch (error) {
      if (!(error instanceof BerthError && error.code === 'not-connected')) throw passing(error);
    }
    await this.database.tenant(organizationId, async (tenant) => {
      const row = await linearConnectionsStore.find(tenant);
      // Connected anew between the question and here: that one is another.
      if (row?.credential.status === 'rejected')
        await this.forget(tenant, row, REMOVED, systemActor('linear'));
    });
    return true;
  }

  private get redirectUrl(): string {
    return `${this.publicUrl.url}${CALLBACK}`;
  }

  private async mayTie(
    actor: Actor,
    { viewer, organization }: Identity,
    { scopes }: LinearGrant,
  ): Promise<void> {
    const missing = LINEAR_SCOPES.filter((scope) => !scopes.includes(scope));
    if (missing.length > 0) throw refused(`Linear did not grant ${missing.join(', ')}. Begin again.`);
    if (!viewer.app) throw refused('Linear gave the login of a person, and not of the app. Begin again.');
    const tied = await this.system.deliveries.tiedTo(organization.id);
    if (tied !== null && tied !== actor.organizationId) throw takenBySomebody();
    const own = await this.database.tenant(actor.organizationId, (tenant) =>
      linearConnectionsStore.find(tenant),
    );
    if (own && own.linearOrganizationId !== organization.id)
      throw new BerthError(
        'already-connected',
        `This organization is connected to ${own.name} at Linear. Disconnect that first ("berth integrations linear disconnect").`,
      );
  }

  private async tie(
    actor: Actor,
    { viewer, organization }: Identity,
    { credential, scopes }: LinearGrant,
  ): Promise<void> {
    await this.credentials.connect(actor, PLACE, credential, async (tenant, credentialId) => {
      const at = this.world.clock.now();
      const connection = {
        linearOrganizationId: organization.id,
        name: organization.name,
        urlKey: organization.urlKey,
        appUserId: viewer.id,
        appUserName: viewer.displayName,
        credentialId,
        scopes,
        connectedBy: actor.userId,
        at,
      };
      try {
        await linearConnectionsStore.save(tenant, connection);
      } catch (error) {
        // Somebody of another organization was quicker.
        throw isUniqueViolation(error) ? takenBySomebody() : error;
      }
      // Of this Linear organization alone: there may have been another one before.
      await this.conversations.openAll(tenant, 'linear', { field: 'appUserId', values: [viewer.id] });
      this.book(tenant, 'integration.connected', auditedMember(actor), organization);
    });
  }

  /** The login goes, and the tie with it. False: it is gone already. The tie first: who asks for work holds it, and who closes conversations waits for them. */
  private async forget(
    tenant: Tenant,
    row: ConnectionRow,
    closing: { reason: string; isOver: boolean },
    by: AuditActor,
  ): Promise<boolean> {
    if (!(await linearConnectionsStore.remove(tenant))) return false;
    await this.credentials.drop(tenant, PLACE, by);
    const theirs = { field: 'appUserId', values: [row.appUserId] };
    await this.conversations.closeAll(tenant, 'linear', theirs, closing);
    this.book(tenant, 'integration.disconnected', by, { id: row.linearOrganizationId, name: row.name });
    return true;
  }

  private book(
    tenant: Tenant,
    action: 'integration.connected' | 'integration.disconnected',
    actor: AuditActor,
    { id, name }: { id: string; name: string },
  ): void {
    const subject = { type: 'integration', id: 'linear', name: 'Linear' } as const;
    this.audit.record(tenant, { action, actor, subject, details: { linearOrganizationId: id, name } });
  }

  private async revoke(token: Secret): Promise<void> {
    if (!(await this.logins.linear.revoke(token)))
      this.log.warn({}, 'Linear did not say that it ended a login; it ends there by itself within a day');
  }
}

function mustAdminister(actor: Actor): void {
  if (!administers(actor))
    throw new BerthError('forbidden', 'Only an admin connects and disconnects Linear.');
}

const refused = (message: string): BerthError => new BerthError('login-refused', message);

/** Who that is is nobody's business. */
function takenBySomebody(): BerthError {
  return new BerthError(
    'already-connected',
    'That Linear organization is connected to another organization of this Berth. It is disconnected there first.',
  );
}

function viewOf(row: ConnectionRow): LinearIntegration['connection'] {
  const { linearOrganizationId: id, name, urlKey, appUserId, appUserName, scopes, credential } = row;
  return {
    linearOrganization: { id, name, urlKey },
    appUser: { id: appUserId, name: appUserName },
    scopes,
    status: credential.status as 'active',
    lastError: credential.lastError,
    connectedAt: credential.connectedAt.toISOString(),
    connectedBy: credential.connector,
  };
}
