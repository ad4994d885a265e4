import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { CredentialsModule, LoginEndpoints } from '../../credentials/index.js';
import { IdentityModule } from '../../identity/index.js';
import { Deliveries, Replies, RepositoryKnowledge, TriggersModule } from '../../triggers/index.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { WebhookSecretsModule } from '../webhooks/webhooks.module.js';
import { LinearAccounts } from './accounts.js';
import { LinearApi } from './api.js';
import { LinearConnections } from './connections.service.js';
import { LinearHandler } from './handler.js';
import { LinearController } from './linear.controller.js';
import { LinearRecovery } from './recovery.js';
import { linearSender } from './sender.js';
import { bySuggestion } from './suggestions.js';

/** After half an hour without an activity Linear takes a session for stale (linear.md 2). Ten minutes are left to a limit or a failure that passes. */
const MAX_SILENCE_SECONDS = 20 * 60;

/** In every process: how Linear is connected, asked and answered, and by what its deliveries are known. */
@Module({
  imports: [
    AccountsModule,
    AuditModule,
    CredentialsModule,
    IdentityModule,
    TriggersModule,
    WebhookSecretsModule,
  ],
  providers: [LinearApi, LinearConnections, LinearHandler, LinearRecovery],
  exports: [LinearApi, LinearConnections],
})
export class LinearModule {
  constructor(
    secrets: WebhookSecrets,
    replies: Replies,
    deliveries: Deliveries,
    handler: LinearHandler,
    knowledge: RepositoryKnowledge,
    api: LinearApi,
    { linear }: LoginEndpoints,
  ) {
    deliveries.handledBy('linear', (delivery) => handler.handle(delivery));
    secrets.from('linear', () => (linear.app ? [linear.app.webhookSecret] : []));
    knowledge.orderWith(bySuggestion(api));
    replies.sentBy('linear', linearSender(api), { maxSilenceSeconds: MAX_SILENCE_SECONDS });
  }
}

/** What people may ask, in processes that serve the API. */
@Module({
  imports: [AccountsModule, CredentialsModule, LinearModule],
  providers: [LinearAccounts],
  controllers: [LinearController],
})
export class LinearApiModule {}
