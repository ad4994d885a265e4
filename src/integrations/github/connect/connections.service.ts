import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { systemActor } from '../../../audit/index.js';
import type {
  AuditActor,
  GithubIntegration,
  GithubRepositoryView,
  PageQuery,
} from '../../../contracts/index.js';
import {
  GithubApp,
  GithubInstallations,
  GithubUsers,
  saidBy,
  type GithubSelf,
  type InstallationFacts,
  type InstallationRow,
  type RepositoryFacts,
} from '../../../credentials/index.js';
import { Database, SystemStore, type Tenant } from '../../../database/index.js';
import { pageOf, PublicUrl, type Page } from '../../../http/index.js';
import {
  administers,
  auditedMember,
  ExternalAccounts,
  IdentityService,
  type Actor,
  type Person,
} from '../../../identity/index.js';
import { BerthError, type Secret } from '../../../kernel/index.js';
import { Conversations, type Meant } from '../../../triggers/index.js';
import { ConnectionAttempts, type Claimed } from '../../accounts/connection-attempts.js';
import { installUrl, manifestOf, missingOf, newAppUrl } from './manifest.js';
import { GithubMembers } from './members.service.js';
import { InstallationReader } from './installation-reader.js';
import { refused } from './refused.js';

/** GitHub's answer to a manifest's code. */
const madeSchema = z.object({
  id: z.int().positive().transform(String),
  slug: z.string().min(1),
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  webhook_secret: z.string().nullable(),
  pem: z.string().min(1),
});

const DISCONNECTED = { reason: 'GitHub was disconnected from Berth.', isOver: false };
const REMOVED = { reason: 'The GitHub App was uninstalled there.', isOver: true };
const SUSPENDED = { reason: 'The GitHub App is suspended there.', isOver: false };
const NOT_REACHED = { reason: 'The GitHub App does not reach this repository any more.', isOver: false };

/** What GitHub says of an installation. */
interface Told {
  facts: InstallationFacts;
  /** None where it is suspended. */
  repositories: RepositoryFacts[];
}

/** What came back with a browser from GitHub. */
export interface CameBack {
  code?: string | undefined;
  installationId?: string | undefined;
}

/** How it went, for the page that says so. */
export type Connected =
  | { step: 'app-made'; slug: string; url: string }
  | { step: 'say-who'; url: string }
  | { step: 'connected'; account: string; repositories: number; members: number; self: string | null };

/** Makes the App, and ties its installations to organizations whose admins prove that they are theirs. */
@Injectable()
export class GithubConnections {
  constructor(
    private readonly app: GithubApp,
    private readonly installations: GithubInstallations,
    private readonly users: GithubUsers,
    private readonly reader: InstallationReader,
    private readonly attempts: ConnectionAttempts,
    private readonly accounts: ExternalAccounts,
    private readonly members: GithubMembers,
    private readonly conversations: Conversations,
    private readonly identity: IdentityService,
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly publicUrl: PublicUrl,
  ) {}

  async show({ organizationId }: Actor): Promise<GithubIntegration> {
    const facts = await this.app.facts();
    const rows = await this.installations.list(organizationId);
    return {
      app: facts && { slug: facts.slug, mention: `@${facts.slug}` },
      webhookUrl: `${this.publicUrl.url}/webhooks/github`,
      redirectUrl: this.redirectUrl,
      installations: rows.map(viewOf),
    };
  }

  async repositories(
    { organizationId }: Actor,
    { limit, cursor }: PageQuery,
  ): Promise<Page<GithubRepositoryView>> {
    // Numbers of GitHub, compared as text: an order, which is all that a list needs.
    const slice = { after: cursor ?? null, take: limit + 1 };
    const rows = await this.installations.repositories(organizationId, slice);
    const views = rows.map(({ repositoryId: id, ...repository }) => ({ id, ...repository }));
    return pageOf(views, slice, (view) => view);
  }

  /**
   * A link that goes on at GitHub: to install the App, or, while this Berth has none, to make it first, which is an instance administrator's to do. `account`: the organization at GitHub
   * that is to own it. Throws `not-connected` for everybody else.
   */
  async begin(
    actor: Actor,
    person: Person,
    account: string | null,
  ): Promise<{ url: string; expiresAt: string }> {
    const facts = await this.app.facts();
    if (!facts && !person.instanceAdministrator)
      throw new BerthError(
        'not-connected',
        'This Berth has no App at GitHub yet. An administrator of this Berth makes one, once for all organizations (berth integrations github connect).',
      );
    const { state, expiresAt } = await this.attempts.begin(actor, 'github', facts ? 'connect' : 'app');
    const { webUrl } = this.app.endpoints;
    const query = new URLSearchParams({ state, ...(account === null ? {} : { account }) });
    const url = facts
      ? installUrl(webUrl, facts.slug, state)
      : `${this.publicUrl.url}/oauth/github/app?${query.toString()}`;
    return { url, expiresAt: expiresAt.toISOString() };
  }

  /**
   * What the page needs that hands the manifest to GitHub. Nothing of it is secret, and the state is shown to who brought it. Everything that would refuse the App afterwards refuses it here: one that
   * was made stays at GitHub, and nobody has its keys. Throws as `finish`.
   */
  async manifest(
    state: string,
    account: string | null,
    person: Person | null,
  ): Promise<{ action: string; manifest: string }> {
    const { userId, purpose } = await this.attempts.look(state, 'github', person);
    if (purpose !== 'app') throw refused('This link is not for making an App');
    await this.mustMake(userId);
    if (await this.app.facts())
      throw new BerthError('already-connected', 'This Berth has an App at GitHub already.');
    const action = newAppUrl(this.app.endpoints.webUrl, account, state);
    return { action, manifest: JSON.stringify(manifestOf(this.publicUrl.url)) };
  }

  /** Ends what was begun. Throws `login-refused`, `already-connected`, `forbidden`. */
  finish(claimed: Claimed, back: CameBack): Promise<Connected> {
    return claimed.purpose === 'app' ? this.make(claimed, back) : this.connect(claimed, back);
  }

  /** Lets the organization's installations go, or one of them: at GitHub too. Throws `not-connected`, `forbidden`. */
  async disconnect(actor: Actor, installationId: string | null): Promise<void> {
    mustAdminister(actor);
    const { organizationId } = actor;
    const rows = (await this.installations.list(organizationId)).filter(
      (row) => installationId === null || row.installationId === installationId,
    );
    if (rows.length === 0) throw new BerthError('not-connected', 'There is no such installation here.');
    for (const row of rows) {
      await this.database.tenant(organizationId, async (tenant) => {
        mustAdminister(await this.identity.hold(tenant, actor));
        await this.untie(tenant, row.installationId, auditedMember(actor), DISCONNECTED);
      });
      // Forgotten here already: what GitHub still tells of it is nobody's. An admin there can remove it as well.
      await this.uninstall(row);
    }
  }

  /** GitHub says that an installation changed: it is asked what is so now, so that nothing told late or twice, or by two at once, does harm. */
  async refresh(organizationId: string, installationId: string): Promise<'gone' | 'suspended' | 'updated'> {
    const ask = async (): Promise<Told | null> => {
      const facts = await this.reader.factsOf(installationId);
      return (
        facts && {
          facts,
          repositories: facts.suspendedAt ? [] : await this.reader.repositoriesOf(installationId),
        }
      );
    };
    const done = await this.installations.bringUpToDate(organizationId, installationId, ask, (tenant, told) =>
      this.takeOver(tenant, installationId, told),
    );
    return done ?? 'gone';
  }

  /** What it reaches now, all of it. */
  async refreshRepositories(organizationId: string, installationId: string): Promise<void> {
    await this.installations.bringUpToDate(
      organizationId,
      installationId,
      () => this.reader.repositoriesOf(installationId),
      (tenant, repositories) => this.reach(tenant, installationId, repositories),
    );
  }

  private async takeOver(
    tenant: Tenant,
    installationId: string,
    told: Told | null,
  ): Promise<'gone' | 'suspended' | 'updated'> {
    if (!told) {
      await this.untie(tenant, installationId, systemActor('github'), REMOVED);
      return 'gone';
    }
    const { facts, repositories } = told;
    await this.installations.update(tenant, facts);
    await this.installations.accountRenamed(tenant, installationId, facts.accountLogin);
    if (facts.suspendedAt) {
      await this.conversations.closeAll(tenant, 'github', ofInstallation(installationId), SUSPENDED);
      return 'suspended';
    }
    await this.reach(tenant, installationId, repositories);
    return 'updated';
  }

  /** What of it was under way is ended, and says why. */
  private async untie(
    tenant: Tenant,
    installationId: string,
    by: AuditActor,
    closing: { reason: string; isOver: boolean },
  ): Promise<void> {
    if (await this.installations.untie(tenant, installationId, by))
      await this.conversations.closeAll(tenant, 'github', ofInstallation(installationId), closing);
  }

  private async reach(
    tenant: Tenant,
    installationId: string,
    repositories: RepositoryFacts[],
  ): Promise<void> {
    await this.installations.setRepositories(tenant, installationId, repositories);
    const reached = ofRepositories(repositories);
    const others = { ...ofInstallation(installationId), but: reached };
    await this.conversations.closeAll(tenant, 'github', others, NOT_REACHED);
    // Also those of an installation before it: the App may have been installed anew.
    await this.conversations.openAll(tenant, 'github', reached, { installationId });
  }

  private get redirectUrl(): string {
    return `${this.publicUrl.url}/oauth/github/callback`;
  }

  private async make({ actor }: Claimed, { code }: CameBack): Promise<Connected> {
    if (code === undefined) throw refused('GitHub made no App');
    await this.mustMake(actor.userId);
    const { data } = await this.app
      .octokitAs(null, 'app')
      .request('POST /app-manifests/{code}/conversions', { code })
      .catch((error: unknown) => {
        throw refused(`The App was not handed over: ${saidBy(error)}`);
      });
    const made = madeSchema.safeParse(data);
    if (!made.success) throw refused('GitHub’s answer could not be read');
    const { id: appId, slug, client_id: clientId, client_secret: clientSecret, pem } = made.data;
    const secrets = { clientSecret, webhookSecret: made.data.webhook_secret, privateKey: pem };
    // Before anything else: GitHub shows them this once.
    await this.app.store({ appId, slug, clientId, ...secrets }, auditedMember(actor));
    const { state } = await this.attempts.begin(actor, 'github', 'connect');
    return { step: 'app-made', slug, url: installUrl(this.app.endpoints.webUrl, slug, state) };
  }

  private async mustMake(userId: string): Promise<void> {
    const person = await this.system.findPerson(userId);
    if (!person?.instanceAdministrator)
      throw new BerthError('forbidden', 'Only an administrator of this Berth makes its App.');
  }

  private async connect(claimed: Claimed, { code, installationId: told }: CameBack): Promise<Connected> {
    const { actor, verifier, notes } = claimed;
    mustAdminister(actor);
    const installationId = notes.installationId ?? told;
    if (installationId === undefined)
      throw refused(
        'The App was not installed. Where an owner of the account has to agree, they do that first',
      );
    if (code === undefined) {
      // The App does not ask who installs it: asked now, and the number kept where nobody can change it.
      const next = await this.attempts.begin(actor, 'github', 'connect', { installationId });
      const url = await this.users.authorizationUrl({ redirectUrl: this.redirectUrl, ...next });
      return { step: 'say-who', url };
    }
    // Of a way that GitHub itself began with the installation there is no challenge.
    const proof = notes.installationId === undefined ? null : verifier;
    return this.users.with(code, proof, (token) => this.tie(actor, installationId, token));
  }

  private async tie(actor: Actor, installationId: string, token: Secret): Promise<Connected> {
    const self = await this.users.self(token).catch((error: unknown) => {
      throw refused(saidBy(error));
    });
    // An installation's number can be forged: only what GitHub lists for this very person counts.
    if (!(await this.reader.listsFor(token, installationId)))
      throw refused('GitHub does not list this installation for you');
    const facts = await this.reader.factsOf(installationId);
    if (!facts) throw refused('GitHub does not know this installation');
    await this.mustOwn(facts, self);
    const repositories = await this.reader.repositoriesOf(installationId);
    const person = {
      ...({ system: 'github', externalId: self.id, handle: self.login, name: self.name } as const),
      ...{ email: null, emailProven: false, isApp: false, isActive: true },
    };
    let linked: string | null = self.login;
    await this.installations.tie(actor, facts, repositories, async (tenant) => {
      await this.conversations.openAll(tenant, 'github', ofRepositories(repositories), { installationId });
      const linking = {
        userId: actor.userId,
        person,
        proof: 'authorization',
        by: auditedMember(actor),
      } as const;
      try {
        await this.accounts.link(tenant, linking);
      } catch (error) {
        // Their account is another member's: the organization is connected all the same, and nothing is moved.
        if (!(error instanceof BerthError) || error.code !== 'account-taken') throw error;
        linked = null;
      }
    });
    const { accountLogin: login } = facts;
    const members =
      facts.accountType === 'Organization'
        ? await this.members.connectProven(actor.organizationId, { installationId, login })
        : 0;
    return { step: 'connected', account: login, repositories: repositories.length, members, self: linked };
  }

  /** Whoever may read one repository sees an installation too. It is theirs to give away who own the account. Throws `forbidden`. */
  private async mustOwn(facts: InstallationFacts, self: GithubSelf): Promise<void> {
    if (facts.accountId === self.id) return;
    const role = await this.reader.roleIn(facts, self);
    if (role !== 'admin')
      throw new BerthError(
        'forbidden',
        `Only an owner of ${facts.accountLogin} at GitHub connects it to Berth; ${self.login} is not one, or the App may not read the members there.`,
      );
  }

  private async uninstall({ installationId }: InstallationRow): Promise<void> {
    const octokit = await this.app.octokit().catch(() => null);
    await octokit
      ?.request('DELETE /app/installations/{installation_id}', { installation_id: Number(installationId) })
      .catch(() => undefined);
  }
}

const ofInstallation = (installationId: string): Meant => ({
  field: 'installationId',
  values: [installationId],
});
const ofRepositories = (repositories: RepositoryFacts[]): Meant => ({
  field: 'repositoryId',
  values: repositories.map(({ repositoryId }) => repositoryId),
});

function mustAdminister(actor: Actor): void {
  if (!administers(actor))
    throw new BerthError('forbidden', 'Only an admin connects and disconnects GitHub.');
}

function viewOf(row: InstallationRow): GithubIntegration['installations'][number] {
  const { installationId, accountId, accountLogin, accountType, selection, permissions } = row;
  return {
    id: installationId,
    account: { id: accountId, login: accountLogin, type: accountType },
    selection,
    permissions,
    missingPermissions: missingOf(permissions),
    suspendedAt: row.suspendedAt?.toISOString() ?? null,
    connectedAt: row.createdAt.toISOString(),
  };
}
