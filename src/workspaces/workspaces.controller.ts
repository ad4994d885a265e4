import { Controller } from '@nestjs/common';
import {
  deleteWorkspaceRoute,
  hibernateWorkspaceRoute,
  listOperationsRoute,
  listWorkspacesRoute,
  showWorkspaceRoute,
  updateWorkspaceRoute,
  wakeWorkspaceRoute,
  type OperationView,
  type WorkspaceView,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf, type Page } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { WorkspacesService } from './workspaces.service.js';

/** A workspace's life. It is made in the chats room, since a first message may come with it. */
@Controller()
export class WorkspacesController {
  constructor(private readonly workspaces: WorkspacesService) {}

  @BindRoute(listWorkspacesRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listWorkspacesRoute>,
  ): Promise<Page<WorkspaceView>> {
    return this.workspaces.list(actor, query);
  }

  @BindRoute(showWorkspaceRoute)
  show(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof showWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.workspaces.show(actor, params.id);
  }

  @BindRoute(updateWorkspaceRoute)
  update(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof updateWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.workspaces.update(actor, params.id, body);
  }

  @BindRoute(deleteWorkspaceRoute)
  delete(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.workspaces.delete(actor, params.id);
  }

  @BindRoute(hibernateWorkspaceRoute)
  hibernate(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof hibernateWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.workspaces.hibernate(actor, params.id);
  }

  @BindRoute(wakeWorkspaceRoute)
  wake(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof wakeWorkspaceRoute>,
  ): Promise<WorkspaceView> {
    return this.workspaces.wake(actor, params.id);
  }

  @BindRoute(listOperationsRoute)
  operations(
    @CurrentActor() actor: Actor,
    @Input() { params, query }: InputOf<typeof listOperationsRoute>,
  ): Promise<Page<OperationView>> {
    return this.workspaces.operations(actor, params.id, query);
  }
}
