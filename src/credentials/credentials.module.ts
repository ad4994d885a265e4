import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { CredentialsController } from './credentials.controller.js';
import { CredentialsService } from './credentials.service.js';

/** `Vault` and `CredentialPolicy` come from the composition (src/app), which knows the configuration. */
@Module({
  imports: [IdentityModule],
  controllers: [CredentialsController],
  providers: [CredentialsService],
  exports: [CredentialsService],
})
export class CredentialsModule {}
