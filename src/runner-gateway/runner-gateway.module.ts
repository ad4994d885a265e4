import { Module } from '@nestjs/common';
import { ChatsModule } from '../chats/index.js';
import { CredentialsModule } from '../credentials/index.js';
import { IdentityModule } from '../identity/index.js';
import { UsageModule } from '../usage/index.js';
import { WorkspacesModule } from '../workspaces/index.js';
import { ClaimsService } from './claims.service.js';
import { LeasesService } from './leases.service.js';
import { ProxyController } from './proxy.controller.js';
import { RunnerController } from './runner.controller.js';

/** In processes that serve the API: any of them answers the machines of any host. */
@Module({
  imports: [ChatsModule, WorkspacesModule, CredentialsModule, IdentityModule, UsageModule],
  controllers: [RunnerController, ProxyController],
  providers: [ClaimsService, LeasesService],
})
export class RunnerGatewayModule {}
