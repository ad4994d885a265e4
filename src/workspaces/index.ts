export { WorkspaceMachines } from './machines.service.js';
export type { StoppingWorkspace } from './moves.js';
export { RUNTIME } from './runtime-token.js';
export { WorkspaceSettings } from './settings.js';
export { statesWithRunner } from './state.js';
export { Sweep } from './sweep.js';
export { WorkspacesApiModule, WorkspacesModule, WorkspacesWorkModule } from './workspaces.module.js';
export { noWorkspace, WorkspacesService } from './workspaces.service.js';
export type { LockedWorkspace, WorkspacePlace } from './workspaces.store.js';
