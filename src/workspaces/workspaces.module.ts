import { Module } from '@nestjs/common';
import { CredentialsModule } from '../credentials/index.js';
import { IdentityModule } from '../identity/index.js';
import { Departures } from './departures.js';
import { WorkspaceMachines } from './machines.service.js';
import { Moves } from './moves.js';
import { Reconciler } from './reconciler.js';
import { Sweep } from './sweep.js';
import { Waker } from './waker.js';
import { WorkspacesController } from './workspaces.controller.js';
import { WorkspacesService } from './workspaces.service.js';

/** `RUNTIME` and `WorkspaceSettings` come from the composition (src/app). */
@Module({
  imports: [IdentityModule, CredentialsModule],
  controllers: [WorkspacesController],
  providers: [Moves, Waker, Departures, WorkspacesService, WorkspaceMachines, Reconciler, Sweep],
  exports: [WorkspacesService, WorkspaceMachines, Sweep],
})
export class WorkspacesModule {}
