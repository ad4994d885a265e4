import { Module } from '@nestjs/common';
import { CredentialsModule, LoginEndpoints } from '../../credentials/index.js';
import { Replies, TriggersModule } from '../../triggers/index.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { WebhookSecretsModule } from '../webhooks/webhooks.module.js';
import { LinearApi } from './api.js';
import { linearSender } from './sender.js';

/** In every process: how Linear is asked and answered, and by what its deliveries are known. */
@Module({
  imports: [CredentialsModule, TriggersModule, WebhookSecretsModule],
  providers: [LinearApi],
  exports: [LinearApi],
})
export class LinearModule {
  constructor(secrets: WebhookSecrets, replies: Replies, api: LinearApi, { linear }: LoginEndpoints) {
    secrets.from('linear', () => (linear.app ? [linear.app.webhookSecret] : []));
    replies.sentBy('linear', linearSender(api));
  }
}
