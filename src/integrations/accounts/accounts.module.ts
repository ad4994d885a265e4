import { Module } from '@nestjs/common';
import { CredentialsModule } from '../../credentials/index.js';
import { IdentityModule } from '../../identity/index.js';
import { AccountSystems } from './account-systems.js';
import { AccountsController } from './accounts.controller.js';
import { Accounts } from './accounts.service.js';
import { ConnectionAttempts } from './connection-attempts.js';

/** In every process: what is sealed of attempts is found by key rotation, whichever works; and integrations say how people prove there who they are. */
@Module({
  imports: [IdentityModule, CredentialsModule],
  providers: [ConnectionAttempts, AccountSystems, Accounts],
  exports: [ConnectionAttempts, AccountSystems, Accounts],
})
export class AccountsModule {}

/** What people may ask, in processes that serve the API. */
@Module({ imports: [AccountsModule], controllers: [AccountsController] })
export class AccountsApiModule {}
