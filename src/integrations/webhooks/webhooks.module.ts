import { Module } from '@nestjs/common';
import { TriggersModule } from '../../triggers/index.js';
import { GithubTalkModule } from '../github/github-talk.module.js';
import { GithubWebhookController } from '../github/webhook.controller.js';
import { LinearWebhookController } from '../linear/webhook.controller.js';
import { WebhookSecrets } from './webhook-secrets.js';

/** In every process, so that an integration can say where its secrets are. */
@Module({ providers: [WebhookSecrets], exports: [WebhookSecrets] })
export class WebhookSecretsModule {}

/** Where other systems tell what happened, in processes that serve the API. */
@Module({
  imports: [GithubTalkModule, TriggersModule, WebhookSecretsModule],
  controllers: [GithubWebhookController, LinearWebhookController],
})
export class WebhooksModule {}
