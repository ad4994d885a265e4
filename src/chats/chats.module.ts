import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { WorkspacesModule } from '../workspaces/index.js';
import { ChatsController } from './chats.controller.js';
import { ChatsService } from './chats.service.js';
import { EventLooks } from './event-looks.js';
import { EventsController } from './events.controller.js';
import { ReceiptsService } from './receipts.service.js';
import { RunnerTurnsService } from './runner-turns.service.js';
import { TurnMoves } from './turn-moves.service.js';

/** In every process: where a workspace stops, its turn ends in the same transaction. */
@Module({
  imports: [IdentityModule, WorkspacesModule],
  providers: [ChatsService, ReceiptsService, RunnerTurnsService, TurnMoves],
  exports: [ChatsService, ReceiptsService, RunnerTurnsService],
})
export class ChatsModule {}

/** What people may ask, in processes that serve the API. `WorkspaceFeed` comes from the composition (src/app). */
@Module({
  imports: [ChatsModule, IdentityModule, WorkspacesModule],
  providers: [EventLooks],
  controllers: [ChatsController, EventsController],
})
export class ChatsApiModule {}
