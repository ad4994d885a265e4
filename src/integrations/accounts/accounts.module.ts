import { Module } from '@nestjs/common';
import { CredentialsModule } from '../../credentials/index.js';
import { IdentityModule } from '../../identity/index.js';
import { ConnectionAttempts } from './connection-attempts.js';

/** In every process: what is sealed of attempts is found by key rotation, whichever works. */
@Module({
  imports: [IdentityModule, CredentialsModule],
  providers: [ConnectionAttempts],
  exports: [ConnectionAttempts],
})
export class AccountsModule {}
