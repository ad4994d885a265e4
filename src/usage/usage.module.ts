import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { WorkspacesModule } from '../workspaces/index.js';
import { Budgets } from './budgets.service.js';
import { UsageLedger } from './ledger.service.js';
import { UsageController } from './usage.controller.js';

/** In processes that serve the API: proxies report there, and people ask. `PriceList` comes from the composition (src/app). */
@Module({
  imports: [IdentityModule, WorkspacesModule],
  providers: [Budgets, UsageLedger],
  controllers: [UsageController],
  exports: [Budgets, UsageLedger],
})
export class UsageModule {}
