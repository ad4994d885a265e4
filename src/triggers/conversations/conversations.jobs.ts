import { Injectable } from '@nestjs/common';
import { SystemStore } from '../../database/index.js';
import { JobHandlers } from '../../queue/index.js';
import { Sweep } from '../../workspaces/index.js';
import { Conversations } from './conversations.service.js';
import { Settling } from './settling.service.js';

/** Conversations' part in processes that work: what was closed or opened is settled, and found where its job was lost. */
@Injectable()
export class ConversationJobs {
  constructor(
    private readonly system: SystemStore,
    private readonly conversations: Conversations,
    settling: Settling,
    handlers: JobHandlers,
    sweep: Sweep,
  ) {
    handlers.add('conversations.settle', ({ organizationId }, signal) =>
      settling.settle(organizationId, signal),
    );
    sweep.also(() => this.askForAll());
  }

  private async askForAll(): Promise<void> {
    for (const organizationId of await this.system.conversations.withUnsettled())
      await this.conversations.askToSettle(organizationId);
  }
}
