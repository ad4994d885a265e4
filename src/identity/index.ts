export * from './actor.js';
export { hashToken } from './api-key.js';
export { IdentityApiModule, IdentityModule } from './identity.module.js';
export { IdentityService } from './identity.service.js';
export { InvitationsService } from './invitations.service.js';
export { MembersService, type Leaving } from './members.service.js';
export * from './request.js';
export { SetupToken } from './setup-token.js';
export { SignInService } from './sign-in.service.js';
