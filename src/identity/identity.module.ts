import { Module } from '@nestjs/common';
import { ExternalAccounts } from './external-accounts/external-accounts.service.js';
import { IdentityController } from './identity.controller.js';
import { IdentityService } from './identity.service.js';
import { InvitationsService } from './invitations.service.js';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';
import { Preferences } from './preferences.service.js';
import { SignInService } from './sign-in.service.js';

@Module({
  providers: [
    IdentityService,
    SignInService,
    MembersService,
    InvitationsService,
    ExternalAccounts,
    Preferences,
  ],
  exports: [
    IdentityService,
    SignInService,
    MembersService,
    InvitationsService,
    ExternalAccounts,
    Preferences,
  ],
})
export class IdentityModule {}

/** What people may ask, in processes that serve the API. `SetupToken` comes from the composition (src/app). */
@Module({ imports: [IdentityModule], controllers: [IdentityController, MembersController] })
export class IdentityApiModule {}
