import { Module } from '@nestjs/common';
import { AccountsApiModule, AccountsModule } from './accounts/accounts.module.js';
import { GithubApiModule, GithubModule } from './github/connect/github.module.js';
import { GithubPullsModule } from './github/github-pulls.module.js';
import { GithubRecoveryModule } from './github/github-recovery.module.js';
import { IntegrationsController } from './integrations.controller.js';
import { LinearApiModule, LinearModule } from './linear/linear.module.js';
import { WebhookSecretsModule, WebhooksModule } from './webhooks/webhooks.module.js';

/** In every process. Each system's own module comes here. */
@Module({
  imports: [
    WebhookSecretsModule,
    AccountsModule,
    GithubModule,
    GithubPullsModule,
    GithubRecoveryModule,
    LinearModule,
  ],
  exports: [WebhookSecretsModule, AccountsModule],
})
export class IntegrationsModule {}

/** What other systems and people may ask, in processes that serve the API. */
@Module({
  imports: [WebhooksModule, AccountsApiModule, GithubModule, GithubApiModule, LinearModule, LinearApiModule],
  controllers: [IntegrationsController],
})
export class IntegrationsApiModule {}
