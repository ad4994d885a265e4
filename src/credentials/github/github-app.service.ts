import { Injectable } from '@nestjs/common';
import type { Octokit } from 'octokit';
import { z } from 'zod';
import { Audit } from '../../audit/index.js';
import type { AuditActor } from '../../contracts/index.js';
import { SystemStore } from '../../database/index.js';
import { BerthError, Secret, World } from '../../kernel/index.js';
import { appJwt, octokitWith, type GithubAppKeys, type GithubEndpoints } from '../providers/github-app.js';
import { LoginEndpoints } from '../providers/sources.js';
import { Vault } from '../vault.js';
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

const partsSchema = z.object({
  clientSecret: z.string(),
  webhookSecret: z.string().nullable(),
  privateKey: z.string(),
});

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
    throw new BerthError(
      'not-connected',
      'This Berth has no App at GitHub yet. An instance administrator makes one (berth integrations github connect), or sets GITHUB_APP_ID and what belongs to it.',
    );
  }

  /** With what deliveries are signed. */
  async webhookSecrets(): Promise<Secret[]> {
    const secret = (await this.keysIfAny())?.webhookSecret;
    return secret ? [secret] : [];
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

  private async keysIfAny(): Promise<GithubAppKeys | null> {
    if (this.endpoints.app) return this.endpoints.app;
    const row = await this.system.githubApp.find();
    if (!row) return null;
    const { appId, slug, clientId } = row;
    const parts = partsSchema.parse(JSON.parse(await this.vault.open(row.sealed, placeOfApp(row.id))));
    return {
      ...{ appId, slug, clientId },
      clientSecret: new Secret(parts.clientSecret),
      webhookSecret: parts.webhookSecret === null ? null : new Secret(parts.webhookSecret),
      privateKey: new Secret(parts.privateKey),
    };
  }
}
