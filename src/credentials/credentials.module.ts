import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { CredentialsController } from './credentials.controller.js';
import { CredentialsService } from './credentials.service.js';
import { KeyRotationJobs } from './key-rotation.jobs.js';
import { KeyRotation } from './key-rotation.service.js';
import { KeysController } from './keys.controller.js';
import { SealedCredentials } from './sealed-credentials.js';
import { SealedTables } from './sealed-tables.js';

/** `Vault` and `CredentialPolicy` come from the composition (src/app), which knows the configuration. */
@Module({
  imports: [IdentityModule],
  providers: [CredentialsService, SealedTables, SealedCredentials, KeyRotation],
  exports: [CredentialsService, SealedTables, KeyRotation],
})
export class CredentialsModule {}

/** What people may ask, in processes that serve the API. */
@Module({ imports: [CredentialsModule], controllers: [CredentialsController, KeysController] })
export class CredentialsApiModule {}

/** What moves rows from key to key, in processes that work. */
@Module({ imports: [CredentialsModule], providers: [KeyRotationJobs] })
export class CredentialsWorkModule {}
