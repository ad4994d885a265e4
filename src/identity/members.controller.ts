import { Controller, Ip } from '@nestjs/common';
import {
  acceptInvitationRoute,
  createInvitationRoute,
  deleteInvitationRoute,
  listInvitationsRoute,
  removeMemberRoute,
  updateMemberRoute,
  type Answer,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import type { Actor, Person } from './actor.js';
import { InvitationsService } from './invitations.service.js';
import { MembersService } from './members.service.js';
import { CurrentActor, CurrentPersonIfAny } from './request.js';

/** How people come into an organization, rise and fall in it, and go. */
@Controller()
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly invitations: InvitationsService,
  ) {}

  @BindRoute(updateMemberRoute)
  changeRole(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof updateMemberRoute>,
  ): Promise<Answer<typeof updateMemberRoute>> {
    return this.members.changeRole(actor, params.userId, body.role);
  }

  @BindRoute(removeMemberRoute)
  remove(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof removeMemberRoute>,
  ): Promise<void> {
    return this.members.remove(actor, params.userId);
  }

  @BindRoute(createInvitationRoute)
  invite(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof createInvitationRoute>,
  ): Promise<Answer<typeof createInvitationRoute>> {
    return this.invitations.create(actor, body);
  }

  @BindRoute(listInvitationsRoute)
  listInvitations(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listInvitationsRoute>,
  ): Promise<Answer<typeof listInvitationsRoute>> {
    return this.invitations.list(actor, query);
  }

  @BindRoute(deleteInvitationRoute)
  revoke(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteInvitationRoute>,
  ): Promise<void> {
    return this.invitations.revoke(actor, params.id);
  }

  @BindRoute(acceptInvitationRoute)
  accept(
    @CurrentPersonIfAny() person: Person | null,
    @Input() { body }: InputOf<typeof acceptInvitationRoute>,
    @Ip() callerAddress: string,
  ): Promise<Answer<typeof acceptInvitationRoute>> {
    return this.invitations.accept(body, person, callerAddress);
  }
}
