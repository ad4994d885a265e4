import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { CredentialsController } from './credentials.controller.js';
import { CredentialsService } from './credentials.service.js';

/** `Vault` and `CredentialPolicy` come from the composition (src/app), which knows the configuration. */
@Module({
  imports: [IdentityModule],
  providers: [CredentialsService],
  exports: [CredentialsService],
})
export class CredentialsModule {}

/** What people may ask, in processes that serve the API. */
@Module({ imports: [CredentialsModule], controllers: [CredentialsController] })
export class CredentialsApiModule {}
