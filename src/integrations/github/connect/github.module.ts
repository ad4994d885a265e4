import { Module } from '@nestjs/common';
import { CredentialsModule, GithubApp, GithubInstallations } from '../../../credentials/index.js';
import { IdentityModule } from '../../../identity/index.js';
import { Mappings, RepositoryKnowledge, TriggersModule } from '../../../triggers/index.js';
import { AccountsModule } from '../../accounts/accounts.module.js';
import { WebhookSecrets } from '../../webhooks/webhook-secrets.js';
import { WebhookSecretsModule } from '../../webhooks/webhooks.module.js';
import { GithubTalkModule } from '../github-talk.module.js';
import { GithubConnections } from './connections.service.js';
import { GithubController } from './github.controller.js';
import { InstallationReader } from './installation-reader.js';
import { InstallationEvents } from './installation-events.js';
import { GithubAccounts } from './personal.js';
import { GithubFiles } from './repository-files.js';
import { GithubMembers } from './members.service.js';

/** In every process: how GitHub is connected, and with what its deliveries are signed. */
@Module({
  imports: [
    AccountsModule,
    CredentialsModule,
    GithubTalkModule,
    IdentityModule,
    TriggersModule,
    WebhookSecretsModule,
  ],
  providers: [
    GithubAccounts,
    GithubConnections,
    GithubFiles,
    GithubMembers,
    InstallationEvents,
    InstallationReader,
  ],
  exports: [GithubConnections],
})
export class GithubModule {
  constructor(
    secrets: WebhookSecrets,
    app: GithubApp,
    installations: GithubInstallations,
    knowledge: RepositoryKnowledge,
    mappings: Mappings,
    files: GithubFiles,
  ) {
    secrets.from('github', () => app.webhookSecrets());
    knowledge.readWith((...place) => files.read(...place));
    knowledge.numberWith((...named) => files.numberOf(...named));
    installations.whenNamed((...named) => mappings.named(...named));
  }
}

/** What people may ask, in processes that serve the API. */
@Module({ imports: [AccountsModule, GithubModule], controllers: [GithubController] })
export class GithubApiModule {}
