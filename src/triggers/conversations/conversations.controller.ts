import { Controller } from '@nestjs/common';
import {
  listConversationsRoute,
  resumeConversationRoute,
  type Answer,
  type ConversationView,
} from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentActor, type Actor } from '../../identity/index.js';
import { Conversations } from './conversations.service.js';

@Controller()
export class ConversationsController {
  constructor(private readonly conversations: Conversations) {}

  @BindRoute(listConversationsRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listConversationsRoute>,
  ): Promise<Answer<typeof listConversationsRoute>> {
    return this.conversations.list(actor, query);
  }

  @BindRoute(resumeConversationRoute)
  resume(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof resumeConversationRoute>,
  ): Promise<ConversationView> {
    return this.conversations.resume(actor, params.id);
  }
}
