import { Injectable } from '@nestjs/common';
import { createPrivateKey } from 'node:crypto';
import { RequestError, type Octokit } from 'octokit';
import { Audit } from '../../audit/index.js';
import type { AuditActor, GithubAppView } from '../../contracts/index.js';
import { SystemStore, type GithubAppRow } from '../../database/index.js';
import { BerthError, Secret, World } from '../../kernel/index.js';
import {
  appJwt,
  octokitWith,
  saidBy,
  type GithubAppKeys,
  type GithubEndpoints,
} from '../providers/github-app.js';
import { LoginEndpoints } from '../providers/sources.js';
import { Vault } from '../vault.js';
import {
  appSecretsSchema,
  formersUntil,
  webhookSecretsIn,
  withNewSecrets,
  type AppSecrets,
  type NewAppSecrets,
} from './app-secrets.js';
import { placeOfApp } from './sealed-github-app.js';

/** What may be known of the App. */
export interface GithubAppFacts {
  appId: string;
  /** The handle people mention; the author of what it writes is `<slug>[bot]`. */
  slug: string;
  clientId: string;
}

/** What GitHub answers when a manifest has become an App. */
export interface MadeApp extends GithubAppFacts {
  clientSecret: string;
  webhookSecret: string | null;
  privateKey: string;
}

/** The App that was made here, opened. */
interface Stored {
  row: GithubAppRow & { sealed: string };
  secrets: AppSecrets;
}

const RETRY_SECONDS = 5;

/** The App as which this Berth is known to GitHub: the environment's, else the one that was made here. One for all organizations. */
@Injectable()
export class GithubApp {
  readonly endpoints: GithubEndpoints;

  constructor(
    { github }: LoginEndpoints,
    private readonly system: SystemStore,
    private readonly vault: Vault,
    private readonly world: World,
    private readonly audit: Audit,
  ) {
    this.endpoints = github;
  }

  async facts(): Promise<GithubAppFacts | null> {
    const found = this.endpoints.app ?? (await this.system.githubApp.find());
    return found && { appId: found.appId, slug: found.slug, clientId: found.clientId };
  }

  /** Looked up each time: another process may have stored it a moment ago. Throws `not-connected`. */
  async keys(): Promise<GithubAppKeys> {
    const keys = await this.keysIfAny();
    if (keys) return keys;
    throw noApp();
  }

  /** With what deliveries are signed: also with what was replaced a while ago. */
  async webhookSecrets(): Promise<Secret[]> {
    if (this.endpoints.app) return this.endpoints.app.webhookSecret ? [this.endpoints.app.webhookSecret] : [];
    const stored = await this.stored();
    const secrets = stored ? webhookSecretsIn(stored.secrets, this.world.clock.now()) : [];
    return secrets.map((secret) => new Secret(secret));
  }

  /** GitHub's client that speaks as the App itself. */
  async octokit(): Promise<Octokit> {
    const keys = await this.keys();
    return octokitWith(this.endpoints, 'app', async () => new Secret(await appJwt(keys, this.world.clock)));
  }

  /** GitHub's client that speaks as nobody, or with a token that came from elsewhere. */
  octokitAs(token: Secret | null, throttleId: string): Octokit {
    return octokitWith(this.endpoints, throttleId, token && (() => Promise.resolve(token)));
  }

  /** Keeps an App that was just made; GitHub shows its secrets this once. Throws `already-connected`. */
  async store({ clientSecret, webhookSecret, privateKey, ...facts }: MadeApp, by: AuditActor): Promise<void> {
    const id = this.world.ids.next();
    const parts = JSON.stringify({ clientSecret, webhookSecret, privateKey });
    const { text, keyId } = await this.vault.seal(parts, placeOfApp(id));
    const row = { id, ...facts, sealed: text, keyId, createdAt: this.world.clock.now() };
    const subject = { type: 'github-app', id: facts.appId, name: facts.slug } as const;
    const entry = { action: 'github-app.made', actor: by, subject, details: { appId: facts.appId } } as const;
    // Known before there is a transaction, which holds others up and may find no further connection.
    await this.audit.instanceChain();
    const isOurs =
      !this.endpoints.app &&
      (await this.system.githubApp.add(row, (db) => this.audit.appendToInstance(db, entry)));
    if (!isOurs) throw new BerthError('already-connected', 'This Berth has an App at GitHub already.');
  }

  /**
   * Puts secrets that were made at GitHub in the place of those that are kept here; `acceptFormerSeconds`: so long deliveries may be signed with the webhook secret that goes. Throws
   * `operation-not-possible` for the App of the environment and for a key that is not this App's, `not-connected`, and `not-ready` where GitHub cannot be asked about a key.
   */
  async replaceSecrets(
    changes: NewAppSecrets,
    acceptFormerSeconds: number,
    by: AuditActor,
  ): Promise<GithubAppView> {
    if (this.endpoints.app)
      throw new BerthError(
        'operation-not-possible',
        'The App of this Berth is the one of its environment: change GITHUB_WEBHOOK_SECRET, GITHUB_APP_CLIENT_SECRET or GITHUB_APP_PRIVATE_KEY there, and start it anew.',
      );
    if (changes.privateKey !== undefined) await this.proveKey(new Secret(changes.privateKey));
    // Known before there is a transaction, which holds others up and may find no further connection.
    await this.audit.instanceChain();
    for (;;) {
      const before = await this.stored();
      if (!before) throw noApp();
      const replaced = await this.replace(before, changes, acceptFormerSeconds, by);
      // Another was first, or a rotation of the keys has sealed it anew: what they wrote is not undone.
      if (replaced) return replaced;
    }
  }

  private async replace(
    { row, secrets }: Stored,
    changes: NewAppSecrets,
    acceptFormerSeconds: number,
    by: AuditActor,
  ): Promise<GithubAppView | null> {
    const now = this.world.clock.now();
    const formerUntil =
      acceptFormerSeconds === 0 ? null : new Date(now.getTime() + acceptFormerSeconds * 1000);
    const after = withNewSecrets(secrets, changes, { now, formerUntil });
    const { text, keyId } = await this.vault.seal(JSON.stringify(after), placeOfApp(row.id));
    const { appId, slug, clientId } = row;
    const until = formersUntil(after, now)?.toISOString() ?? null;
    const entry = {
      action: 'github-app.secrets-replaced',
      actor: by,
      subject: { type: 'github-app', id: appId, name: slug },
      details: {
        replaced: Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [name])),
        formerWebhookSecretsUntil: until,
      },
    } as const;
    const isOurs = await this.system.githubApp.replace(row.id, row.sealed, { sealed: text, keyId }, (db) =>
      this.audit.appendToInstance(db, entry),
    );
    return isOurs ? { appId, slug, clientId, formerWebhookSecretsUntil: until } : null;
  }

  /** A key that is another App's would end everything that is done at GitHub: it is tried there before it is kept. */
  private async proveKey(privateKey: Secret): Promise<void> {
    const facts = await this.facts();
    if (!facts) throw noApp();
    if (!isRsaKey(privateKey))
      throw new BerthError(
        'operation-not-possible',
        'This is no private key of an App: paste the whole PEM file.',
      );
    const jwt = async (): Promise<Secret> =>
      new Secret(await appJwt({ appId: facts.appId, privateKey }, this.world.clock));
    try {
      await octokitWith(this.endpoints, 'app', jwt).request('GET /app');
    } catch (error) {
      if (error instanceof RequestError && [401, 404].includes(error.status))
        throw new BerthError(
          'operation-not-possible',
          `GitHub does not take this key for the App ${facts.slug}. Make one in the settings of that App at GitHub, and give its whole PEM file.`,
        );
      throw new BerthError(
        'not-ready',
        `GitHub could not be asked about the key: ${saidBy(error)}. Try again.`,
        {
          retryAfterSeconds: RETRY_SECONDS,
        },
      );
    }
  }

  private async stored(): Promise<Stored | null> {
    const row = await this.system.githubApp.find();
    if (!row) return null;
    const text = await this.vault.open(row.sealed, placeOfApp(row.id));
    return { row, secrets: appSecretsSchema.parse(JSON.parse(text)) };
  }

  private async keysIfAny(): Promise<GithubAppKeys | null> {
    if (this.endpoints.app) return this.endpoints.app;
    const stored = await this.stored();
    if (!stored) return null;
    const { appId, slug, clientId } = stored.row;
    const { clientSecret, webhookSecret, privateKey } = stored.secrets;
    return {
      ...{ appId, slug, clientId },
      clientSecret: new Secret(clientSecret),
      webhookSecret: webhookSecret === null ? null : new Secret(webhookSecret),
      privateKey: new Secret(privateKey),
    };
  }
}

function isRsaKey(key: Secret): boolean {
  try {
    return createPrivateKey(key.reveal()).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

function noApp(): BerthError {
  return new BerthError(
    'not-connected',
    'This Berth has no App at GitHub yet. An instance administrator makes one (berth integrations github connect), or sets GITHUB_APP_ID and what belongs to it.',
  );
}
