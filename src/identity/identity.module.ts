import { Module } from '@nestjs/common';
import { IdentityController } from './identity.controller.js';
import { IdentityService } from './identity.service.js';
import { InvitationsService } from './invitations.service.js';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';
import { SignInService } from './sign-in.service.js';

@Module({
  controllers: [IdentityController, MembersController],
  providers: [IdentityService, SignInService, MembersService, InvitationsService],
  exports: [IdentityService, SignInService, MembersService],
})
export class IdentityModule {}
