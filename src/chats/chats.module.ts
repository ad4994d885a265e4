import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { WorkspacesModule } from '../workspaces/index.js';
import { ChatsController } from './chats.controller.js';
import { ChatsService } from './chats.service.js';
import { EventsController } from './events.controller.js';
import { ReceiptsService } from './receipts.service.js';
import { RunnerTurnsService } from './runner-turns.service.js';

/** `WorkspaceFeed` comes from the composition (src/app). */
@Module({
  imports: [IdentityModule, WorkspacesModule],
  controllers: [ChatsController, EventsController],
  providers: [ChatsService, ReceiptsService, RunnerTurnsService],
  exports: [ReceiptsService, RunnerTurnsService],
})
export class ChatsModule {}
