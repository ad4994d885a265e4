import { Module } from '@nestjs/common';
import { CredentialsModule } from '../credentials/index.js';
import { IdentityModule } from '../identity/index.js';
import { CredentialNews } from './credential-news.js';
import { Departures } from './departures.js';
import { EgressController } from './egress.controller.js';
import { EgressPolicy } from './egress.service.js';
import { LeaseRecall } from './lease-recall.js';
import { LimitsController } from './limits.controller.js';
import { WorkspaceLimits } from './limits.service.js';
import { WorkspaceMachines } from './machines.service.js';
import { Moves } from './moves.js';
import { Placement } from './placement.js';
import { Reconciler } from './reconciler.js';
import { Repositories } from './repositories.service.js';
import { DueWorkspaces } from './sweep-due.js';
import { SweepReport } from './sweep-report.js';
import { SweepController } from './sweep.controller.js';
import { Sweep } from './sweep.js';
import { Waker } from './waker.js';
import { WorkspacesController } from './workspaces.controller.js';
import { WorkspacesService } from './workspaces.service.js';

/** `WorkspaceSettings` comes from the composition (src/app). */
@Module({
  imports: [IdentityModule, CredentialsModule],
  providers: [
    Moves,
    Waker,
    Departures,
    CredentialNews,
    WorkspaceLimits,
    EgressPolicy,
    Repositories,
    WorkspacesService,
    WorkspaceMachines,
    DueWorkspaces,
    SweepReport,
  ],
  exports: [
    Moves,
    WorkspaceLimits,
    EgressPolicy,
    DueWorkspaces,
    SweepReport,
    Repositories,
    WorkspacesService,
    WorkspaceMachines,
  ],
})
export class WorkspacesModule {}

/** What people may ask, in processes that serve the API. */
@Module({
  imports: [WorkspacesModule],
  controllers: [WorkspacesController, LimitsController, EgressController, SweepController],
})
export class WorkspacesApiModule {}

/** What is done about it, in processes that work. `RUNTIME` comes from the composition. */
@Module({
  imports: [WorkspacesModule, CredentialsModule],
  providers: [Placement, Reconciler, Sweep, LeaseRecall],
  exports: [Sweep],
})
export class WorkspacesWorkModule {}
