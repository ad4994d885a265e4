import { Module } from '@nestjs/common';
import { CredentialsModule } from '../../credentials/index.js';
import { IdentityModule } from '../../identity/index.js';
import { World } from '../../kernel/index.js';
import { Deliveries, Replies, TriggersModule } from '../../triggers/index.js';
import { GithubEvents } from './github-events.js';
import { GithubHandler } from './handler.js';
import { GithubNews } from './news.js';
import { GithubReach } from './reach.js';
import { githubSender } from './sender.js';

/** In every process: how GitHub is heard and answered. */
@Module({
  imports: [CredentialsModule, IdentityModule, TriggersModule],
  providers: [GithubEvents, GithubReach, GithubHandler, GithubNews],
  exports: [GithubEvents, GithubNews, GithubReach],
})
export class GithubTalkModule {
  constructor(
    deliveries: Deliveries,
    replies: Replies,
    handler: GithubHandler,
    reach: GithubReach,
    { clock }: World,
  ) {
    deliveries.handledBy('github', (delivery) => handler.handle(delivery));
    replies.sentBy('github', githubSender(reach, clock));
  }
}
