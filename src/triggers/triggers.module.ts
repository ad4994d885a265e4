import { Module } from '@nestjs/common';
import { ChatsModule } from '../chats/index.js';
import { IdentityModule } from '../identity/index.js';
import { WorkspacesModule, WorkspacesWorkModule } from '../workspaces/index.js';
import { Asks } from './asks/asks.service.js';
import { Messages } from './asks/messages.service.js';
import { Starting } from './asks/starting.service.js';
import { Stops } from './asks/stops.service.js';
import { ConversationsController } from './conversations/conversations.controller.js';
import { ConversationJobs } from './conversations/conversations.jobs.js';
import { Conversations } from './conversations/conversations.service.js';
import { Settling } from './conversations/settling.service.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { Deliveries } from './deliveries/deliveries.service.js';
import { DeliveryJobs } from './deliveries/delivery.jobs.js';
import { FollowRhythm } from './follow/follow-rhythm.js';
import { Following } from './follow/following.service.js';
import { Recoveries } from './recovery/recoveries.service.js';
import { RecoveryJobs } from './recovery/recovery.jobs.js';
import { MappingsController } from './mappings/mappings.controller.js';
import { Mappings } from './mappings/mappings.service.js';
import { RepositoryKnowledge } from './mappings/ports.js';
import { PullRequestJobs } from './pull-requests/pull-request.jobs.js';
import { PullRequests } from './pull-requests/pull-requests.service.js';
import { Replies } from './replies/replies.service.js';
import { ReplyRhythm } from './replies/reply-rhythm.js';
import { Sending } from './replies/sending.service.js';

/** In every process: what other systems tell is received by one and handled by another, and whoever tells a fact may have something said about it. */
@Module({
  imports: [IdentityModule, WorkspacesModule, ChatsModule],
  providers: [
    Deliveries,
    Conversations,
    Replies,
    Recoveries,
    Mappings,
    RepositoryKnowledge,
    Starting,
    Messages,
    Asks,
    Stops,
    PullRequests,
  ],
  exports: [
    Deliveries,
    Conversations,
    Replies,
    Recoveries,
    Mappings,
    RepositoryKnowledge,
    Asks,
    Stops,
    PullRequests,
  ],
})
export class TriggersModule {}

/** What people may ask, in processes that serve the API. */
@Module({
  imports: [TriggersModule],
  controllers: [DeliveriesController, ConversationsController, MappingsController],
})
export class TriggersApiModule {}

/** What handles it, and what is said, in processes that work. */
@Module({
  imports: [TriggersModule, ChatsModule, WorkspacesModule, WorkspacesWorkModule],
  providers: [
    DeliveryJobs,
    Settling,
    ConversationJobs,
    Sending,
    ReplyRhythm,
    Following,
    FollowRhythm,
    RecoveryJobs,
    PullRequestJobs,
  ],
  exports: [ReplyRhythm],
})
export class TriggersWorkModule {}
