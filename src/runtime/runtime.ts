import type { z } from 'zod';
import type { Agent } from '../contracts/agents.js';
import type { gitRouteSchema } from '../contracts/proxy.js';
import type { RepositorySource } from '../contracts/runner.js';

/** Where the proxy's git route of a workspace leads. */
export type GitRoute = z.infer<typeof gitRouteSchema>;

/** What a runtime must know to make one workspace's runner run. */
export interface RuntimeStart {
  organizationId: string;
  workspaceId: string;
  repository: RepositorySource;
  agent: Agent;
  /** The runner's machine identity (rule 9). It goes into the runner's own file and nowhere else. */
  runnerToken: string;
  /** The proxy's machine identity (rule 9). It stays in memory; it is in no file, no argument and no environment. */
  proxyToken: string;
  /** Null when the repository is not reached over https. */
  git: GitRoute | null;
}

/**
 * What is there of a workspace: a living runner with its way out, a runner without (its Berth crashed; `start` adopts it), files
 * alone, or nothing.
 */
export type WorkspacePresence = 'running' | 'detached' | 'stopped' | 'absent';

/**
 * Where workspaces run. Every method is idempotent, and calls for one workspace are carried out one after the other.
 * Errors are BerthErrors: `sandbox-unavailable`, `agent-missing`, `runtime-failed`, `not-ready` (not opened yet, or closing)
 * and `not-found` (not a workspace id).
 */
export interface Runtime {
  /** The host whose workspaces this runtime sees: those of one data directory. */
  readonly hostId: string;
  /**
   * Makes the workspace's runner run and its way out open. A living runner is adopted: it keeps its own token (`runnerToken` is then
   * unused), only the proxy's route is opened anew with `proxyToken`. A living runner that could not work any more (it was told
   * another control plane's address, or it runs without the sandbox that is now required) is ended, and a new one is started.
   */
  start(request: RuntimeStart): Promise<{ adopted: boolean }>;
  /** Ends the runner and everything it started, and closes the way out. The files stay. */
  stop(workspaceId: string): Promise<void>;
  /** `stop`, then removes the workspace's files. */
  destroy(workspaceId: string): Promise<void>;
  /** Workspaces here use no lease of this credential again: there is a newer secret, or none any more. Best effort: a lease is short anyway. */
  forget(credentialId: string): void;
  /** What is there, as this process can see it. */
  inspect(workspaceId: string): Promise<WorkspacePresence>;
  /** Ids of all workspaces that have files or a runner here. */
  list(): Promise<string[]>;
  /** Ids of those that have files here, for who asks again and again: the same set as last time while nothing came or went. */
  listed(): Promise<ReadonlySet<string>>;
  /** Ids of those that have a living runner here, whatever their rows say. */
  running(): Promise<string[]>;
  /** Whether a runner here could be heard at this moment: the control plane answers at the address that runners are told. */
  canReachBerth(): Promise<boolean>;
  /** Starts what the runtime itself needs. Call it once the control plane listens. */
  open(): Promise<void>;
  /** Orderly end: ends all runners in parallel and within a bound, then what the runtime itself started. */
  close(): Promise<void>;
}
