import { Module } from '@nestjs/common';
import { CredentialsModule, GithubApp } from '../../credentials/index.js';
import { TriggersModule } from '../../triggers/index.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { WebhookSecretsModule } from '../webhooks/webhooks.module.js';
import { GithubRecovery } from './recovery.js';

/** By what GitHub's deliveries are known, and how it is asked for what was missed. */
@Module({ imports: [CredentialsModule, TriggersModule, WebhookSecretsModule], providers: [GithubRecovery] })
export class GithubRecoveryModule {
  constructor(secrets: WebhookSecrets, app: GithubApp) {
    secrets.from('github', () => app.webhookSecrets());
  }
}
