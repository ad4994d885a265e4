import { Injectable } from '@nestjs/common';
import type { Octokit } from 'octokit';
import { Audit } from '../../audit/index.js';
import { Database, type Tenant } from '../../database/index.js';
import { administers, auditedMember, IdentityService, type Actor } from '../../identity/index.js';
import { BerthError, Secret, World } from '../../kernel/index.js';
import type { AuditActor } from '../../contracts/index.js';
import { credentialsStore } from '../credentials.store.js';
import { endOf, mintToken, octokitWith } from '../providers/github-app.js';
import { placeOf } from '../renewal/place.js';
import { Renewals } from '../renewal/renewals.service.js';
import { Vault } from '../vault.js';
import { GithubApp } from './github-app.service.js';
import { InstallationTokens } from './installation-tokens.js';
import {
  installationsStore,
  type InstallationFacts,
  type InstallationRow,
  type Reached,
  type RepositoryFacts,
  type RepositoryRef,
} from './installations.store.js';

/** So long before its end a token of Berth's own is not used any more. */
const MARGIN_MS = 5 * 60_000;

/** Hears how repositories are called now, inside the transaction in which that is written. */
export type NamedHook = (tenant: Tenant, repositories: RepositoryFacts[]) => Promise<void>;

/** So often GitHub is asked again in one attempt. */
const ROUNDS = 5;
const RETRY_SECONDS = 5;

interface Kept {
  token: Secret;
  expiresAt: number;
}

/** Installations of the App: each tied to one organization, as a credential of it. */
@Injectable()
export class GithubInstallations {
  /** Tokens for Berth's own calls, in this process alone. */
  readonly #kept = new Map<string, Promise<Kept>>();
  readonly #namedHooks: NamedHook[] = [];

  constructor(
    private readonly app: GithubApp,
    private readonly tokens: InstallationTokens,
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly vault: Vault,
    private readonly renewals: Renewals,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  list(organizationId: string): Promise<InstallationRow[]> {
    return this.database.tenant(organizationId, (tenant) => installationsStore.list(tenant));
  }

  repositories(organizationId: string, slice: { after: string | null; take: number }) {
    return this.database.tenant(organizationId, (tenant) => installationsStore.repositories(tenant, slice));
  }

  /** The repository, where an installation reaches it; null where none does, or it is suspended. */
  reaching(tenant: Tenant, ref: RepositoryRef): Promise<Reached | null> {
    return installationsStore.reaching(tenant, ref);
  }

  /** The installation that reaches it as soon as it is not suspended any more; null: none does. */
  suspendedOf(tenant: Tenant, ref: RepositoryRef): Promise<string | null> {
    return installationsStore.suspendedOf(tenant, ref);
  }

  /** For rooms that hold repositories by number, and show their names. */
  whenNamed(hook: NamedHook): void {
    this.#namedHooks.push(hook);
  }

  /**
   * Ties an installation to the organization of an admin who has proven that it is theirs, or takes over what is new of one that is tied. `inside` is a part of the same transaction. Throws
   * `already-connected` when it is another organization's.
   */
  async tie(
    actor: Actor,
    facts: InstallationFacts,
    repositories: RepositoryFacts[],
    inside: (tenant: Tenant) => Promise<void>,
  ): Promise<void> {
    const { organizationId, userId: connectedBy } = actor;
    const at = this.world.clock.now();
    const id = this.world.ids.next();
    const place = placeOf(organizationId, { credentialId: id, workspaceId: null });
    // There is no secret: what speaks for it is the App's key.
    const sealed = await this.vault.seal('{}', place);
    await this.database.tenant(organizationId, async (tenant) => {
      if (!administers(await this.identity.hold(tenant, actor)))
        throw new BerthError('forbidden', 'Only an admin may connect GitHub.');
      const { installationId } = facts;
      const known = await installationsStore.find(tenant, installationId);
      if (known) await installationsStore.update(tenant, facts, at);
      else {
        await credentialsStore.createForInstallation(tenant, id, installationId, {
          hint: facts.accountLogin,
          sealed: sealed.text,
          keyId: sealed.keyId,
          settings: { installation: installationId },
          ...{
            expiresAt: null,
            renewAt: null,
            warnAt: null,
            lineage: this.world.ids.next(),
            connectedBy,
            at,
          },
        });
        // The key is the installation's alone: of two organizations at once one is refused here, with all it wrote.
        if (!(await installationsStore.add(tenant, facts, { credentialId: id, connectedBy, at })))
          throw new BerthError(
            'already-connected',
            `The installation of ${facts.accountLogin} is connected to another organization of this Berth. It has to be disconnected there first.`,
          );
        this.book(tenant, 'integration.connected', auditedMember(actor), facts);
      }
      await this.takeOver(tenant, installationId, repositories, at);
      await this.renewals.tellChanged(tenant, known?.credentialId ?? id);
      await inside(tenant);
    });
  }

  /** Lets an installation go: what was minted of it is ended, and nothing of it serves any more. Null when it is not tied here. */
  async untie(tenant: Tenant, installationId: string, by: AuditActor): Promise<InstallationRow | null> {
    // Held, so that of two at once one finds it gone; and before anything else, as who brings it up to date does.
    await installationsStore.lock(tenant, installationId);
    const known = await installationsStore.find(tenant, installationId);
    if (!known) return null;
    await this.tokens.endWith(tenant, known.credentialId);
    // The installation and its repositories go with it.
    await credentialsStore.removeById(tenant, known.credentialId);
    await this.renewals.tellChanged(tenant, known.credentialId);
    this.forgetTokens(tenant, installationId);
    this.book(tenant, 'integration.disconnected', by, known);
    return known;
  }

  /** Takes over what GitHub says of an installation now. A right that is less, or a suspension, ends what was minted before. */
  async update(tenant: Tenant, facts: InstallationFacts): Promise<'updated' | 'unknown'> {
    const known = await installationsStore.find(tenant, facts.installationId);
    if (!known) return 'unknown';
    await installationsStore.update(tenant, facts, this.world.clock.now());
    await this.mintAnew(tenant, known);
    return 'updated';
  }

  /** All that it reaches: what is not named is reached no more. */
  async setRepositories(
    tenant: Tenant,
    installationId: string,
    repositories: RepositoryFacts[],
  ): Promise<void> {
    const known = await installationsStore.find(tenant, installationId);
    if (!known) return;
    await this.takeOver(tenant, installationId, repositories, this.world.clock.now());
    await this.renewals.tellChanged(tenant, known.credentialId);
  }

  private async takeOver(
    tenant: Tenant,
    installationId: string,
    repositories: RepositoryFacts[],
    at: Date,
  ): Promise<void> {
    await installationsStore.setRepositories(tenant, installationId, repositories, at);
    for (const hook of this.#namedHooks) await hook(tenant, repositories);
  }

  /** Whether it is the organization's and not suspended. Nobody changes that until the transaction ends. */
  isLiving(tenant: Tenant, installationId: string): Promise<boolean> {
    return installationsStore.holdsLiving(tenant, installationId);
  }

  /**
   * Asks GitHub about an installation, and takes over what it said in one transaction, which holds the installation. What somebody took over while GitHub was asked may be newer than what was heard here: then it is
   * asked once more. Null: it is not tied here. Throws `not-ready` where others are always quicker.
   */
  async bringUpToDate<T, R>(
    organizationId: string,
    installationId: string,
    ask: () => Promise<T>,
    takeOver: (tenant: Tenant, told: T) => Promise<R>,
  ): Promise<R | null> {
    for (let round = 0; round < ROUNDS; round++) {
      const seen = await this.database.tenant(organizationId, (tenant) =>
        installationsStore.lock(tenant, installationId),
      );
      if (!seen) return null;
      const told = await ask();
      const done = await this.database.tenant(organizationId, async (tenant) => {
        const now = await installationsStore.lock(tenant, installationId);
        if (now?.getTime() !== seen.getTime()) return null;
        await installationsStore.touch(tenant, installationId, this.world.clock.now());
        return { result: await takeOver(tenant, told) };
      });
      if (done) return done.result;
    }
    throw new BerthError('not-ready', 'This installation is being brought up to date by others.', {
      retryAfterSeconds: RETRY_SECONDS,
    });
  }

  /** GitHub's client as an installation that is yet to be tied, or whose rows are to be brought up to date: for whom it is theirs was proven otherwise. */
  octokitBeforeTie(installationId: string): Octokit {
    return octokitWith(this.app.endpoints, `installation/${installationId}`, (refused) =>
      this.bearer(`${installationId}/`, installationId, undefined, refused),
    );
  }

  async accountRenamed(tenant: Tenant, installationId: string, login: string): Promise<void> {
    await installationsStore.renameAccount(tenant, { installationId, login }, this.world.clock.now());
  }

  /**
   * GitHub's client for Berth's own calls, as this installation, with a token for one repository where one is named. Throws `not-connected`: it is not this organization's, it is
   * suspended, or GitHub does not know it any more. `isPaced`: false for who keeps distances between calls otherwise.
   */
  async octokitFor(
    organizationId: string,
    installationId: string,
    { repositoryId, isPaced = true }: { repositoryId?: string; isPaced?: boolean } = {},
  ): Promise<Octokit> {
    const row = await this.database.apart(organizationId, (tenant) =>
      installationsStore.find(tenant, installationId),
    );
    if (!row || row.suspendedAt) throw notTied();
    const key = `${installationId}/${repositoryId ?? ''}`;
    const { endpoints } = this.app;
    const paced = isPaced && endpoints.paced;
    return octokitWith({ ...endpoints, paced }, `installation/${installationId}`, (refused) =>
      this.bearer(key, installationId, repositoryId, refused),
    );
  }

  /** One token for all who ask at the same moment, and until shortly before its end. */
  private async bearer(
    key: string,
    installationId: string,
    repositoryId: string | undefined,
    refused: Secret | null,
  ): Promise<Secret> {
    const flight = this.#kept.get(key);
    if (flight) {
      const kept = await flight;
      const isLiving = kept.expiresAt - MARGIN_MS > this.world.clock.now().getTime();
      if (isLiving && kept.token !== refused) return kept.token;
      // Of many who find it so one mints; the others find that one's.
      if (this.#kept.get(key) === flight) this.#kept.delete(key);
      return this.bearer(key, installationId, repositoryId, refused);
    }
    const minting = this.mint(installationId, repositoryId);
    this.#kept.set(key, minting);
    minting.catch(() => this.#kept.delete(key));
    return (await minting).token;
  }

  private async mint(installationId: string, repositoryId: string | undefined): Promise<Kept> {
    const narrowing = repositoryId === undefined ? {} : { repositoryIds: [Number(repositoryId)] };
    try {
      const { token, expiresAt } = await mintToken(await this.app.octokit(), installationId, narrowing);
      return { token, expiresAt: expiresAt.getTime() };
    } catch (error) {
      throw endOf(error) ? notTied() : error;
    }
  }

  /** What was minted under other rights is minted anew when it is next needed, and leases of it are asked for again at once. */
  private async mintAnew(tenant: Tenant, { installationId, credentialId }: InstallationRow): Promise<void> {
    await this.tokens.mintAnew(tenant, credentialId);
    await this.renewals.tellChanged(tenant, credentialId);
    this.forgetTokens(tenant, installationId);
  }

  private forgetTokens(tenant: Tenant, installationId: string): void {
    tenant.afterCommit(() => {
      for (const key of this.#kept.keys()) if (key.startsWith(`${installationId}/`)) this.#kept.delete(key);
      return Promise.resolve();
    });
  }

  private book(
    tenant: Tenant,
    action: 'integration.connected' | 'integration.disconnected',
    actor: AuditActor,
    { installationId, accountLogin, accountId }: InstallationFacts,
  ): void {
    const subject = { type: 'integration', id: installationId, name: 'github' } as const;
    this.audit.record(tenant, { action, actor, subject, details: { accountLogin, accountId } });
  }
}

function notTied(): BerthError {
  return new BerthError(
    'not-connected',
    'The GitHub App is not installed there any more, or is suspended. An admin connects GitHub again.',
  );
}
