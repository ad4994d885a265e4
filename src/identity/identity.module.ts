import { Module } from '@nestjs/common';
import { IdentityController } from './identity.controller.js';
import { IdentityService } from './identity.service.js';
import { SignInService } from './sign-in.service.js';

@Module({
  controllers: [IdentityController],
  providers: [IdentityService, SignInService],
  exports: [IdentityService, SignInService],
})
export class IdentityModule {}
