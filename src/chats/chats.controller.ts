import { Controller } from '@nestjs/common';
import {
  cancelMessageRoute,
  createWorkspaceRoute,
  listMessagesRoute,
  sendMessageRoute,
  type MessageView,
  type WorkspaceView,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf, type Page } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { ChatsService } from './chats.service.js';

@Controller()
export class ChatsController {
  constructor(private readonly chats: ChatsService) {}

  @BindRoute(createWorkspaceRoute)
  create(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof createWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.chats.createWorkspace(actor, body);
  }

  @BindRoute(sendMessageRoute)
  send(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof sendMessageRoute>,
  ): Promise<MessageView> {
    return this.chats.send(actor, params.id, body.text);
  }

  @BindRoute(listMessagesRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { params, query }: InputOf<typeof listMessagesRoute>,
  ): Promise<Page<MessageView>> {
    return this.chats.list(actor, params.id, query);
  }

  @BindRoute(cancelMessageRoute)
  cancel(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof cancelMessageRoute>,
  ): Promise<MessageView> {
    return this.chats.cancel(actor, params.id, params.messageId);
  }
}
