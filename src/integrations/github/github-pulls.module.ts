import { Module } from '@nestjs/common';
import { CredentialsModule } from '../../credentials/index.js';
import { Database } from '../../database/index.js';
import { PullRequests, TriggersModule } from '../../triggers/index.js';
import { GithubEvents } from './github-events.js';
import { GithubTalkModule } from './github-talk.module.js';
import { pullRequestMoved } from './pull-request-events.js';
import { GithubPullRequests } from './pull-requests.js';

/** In every process: pull requests that Berth opens at GitHub, and what people do with them. */
@Module({ imports: [CredentialsModule, TriggersModule, GithubTalkModule], providers: [GithubPullRequests] })
export class GithubPullsModule {
  constructor(pulls: PullRequests, host: GithubPullRequests, events: GithubEvents, database: Database) {
    pulls.openedBy(host);
    events.on('pull_request', (delivery) => pullRequestMoved(delivery, database, pulls));
  }
}
