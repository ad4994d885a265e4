import { z } from 'zod';

const workspaceRef = z.strictObject({ organizationId: z.uuid(), workspaceId: z.uuid() });

/** What is known of one job. */
export interface JobDefinition {
  /** Ids only, and a generation (rule 3): the row is the truth, a job merely wakes a worker. */
  payload: z.ZodObject;
  attempts: number;
  /** First pause before another attempt; doubles each time. */
  backoffSeconds: number;
  /** After so long the attempt counts as failed; its signal is aborted. */
  timeoutSeconds: number;
  /** For work that waits for others and not for this machine: it has a queue of its own, so that nothing else waits behind it. */
  isPatient?: true;
  /** While one runs, another adds nothing: whoever asked for it sees what comes of that one, and asks again. */
  isEnoughOnce?: true;
}

/** Every job of Berth. A handler for each stands in the room that does the work; the start fails on a job with none or two. */
export const jobs = {
  /** Do what is due for one workspace. */
  'workspace.reconcile': { payload: workspaceRef, attempts: 5, backoffSeconds: 2, timeoutSeconds: 120 },
  /** Look for what was forgotten of everything that no host looks after: workspaces that have none yet, or whose host is lost. */
  sweep: { payload: z.strictObject({}), attempts: 1, backoffSeconds: 1, timeoutSeconds: 120 },
  /** The same on one host: its own workspaces, and files and processes there without a workspace. In that host's queue. */
  'host.sweep': { payload: z.strictObject({}), attempts: 1, backoffSeconds: 1, timeoutSeconds: 120 },
  /** Seal rows anew with the key that a rotation goes to. As many at once as ask: what is left to do are the rows. */
  'keys.reseal': { payload: z.strictObject({}), attempts: 5, backoffSeconds: 2, timeoutSeconds: 120 },
  /** Look whether somebody typed the code of a login at the provider's page, or end an attempt that is over. */
  'login.attend': {
    payload: z.strictObject({ organizationId: z.uuid(), attemptId: z.uuid() }),
    attempts: 3,
    backoffSeconds: 2,
    timeoutSeconds: 420,
    isPatient: true,
  },
  /** Renew one generation of a credential's token, or of the one that a workspace has of its own. A provider may take minutes, and storing what it answered as long as a database is away. */
  'credential.renew': {
    payload: z.strictObject({
      organizationId: z.uuid(),
      credentialId: z.uuid(),
      workspaceId: z.uuid().optional(),
      generation: z.int().nonnegative(),
    }),
    attempts: 3,
    backoffSeconds: 2,
    timeoutSeconds: 900,
    isPatient: true,
    isEnoughOnce: true,
  },
  /** Do what another system told. It may ask that system for facts. */
  'delivery.handle': {
    payload: z.strictObject({ organizationId: z.uuid(), deliveryId: z.uuid() }),
    attempts: 5,
    backoffSeconds: 2,
    timeoutSeconds: 120,
    isPatient: true,
  },
  /** Look for what was missed at other systems, and forget what was delivered long ago. */
  'deliveries.recover': {
    payload: z.strictObject({}),
    attempts: 1,
    backoffSeconds: 1,
    timeoutSeconds: 600,
    isPatient: true,
  },
  /** Say what waits in one conversation at another system. */
  'conversation.reply': {
    payload: z.strictObject({ organizationId: z.uuid(), conversationId: z.uuid() }),
    attempts: 3,
    backoffSeconds: 2,
    timeoutSeconds: 180,
    isPatient: true,
  },
  /** End what was asked in conversations whose system left, and tell their workspaces how they stand. */
  'conversations.settle': {
    payload: z.strictObject({ organizationId: z.uuid() }),
    attempts: 5,
    backoffSeconds: 2,
    timeoutSeconds: 120,
  },
  /** Say in the conversations of a workspace what it told. */
  'conversation.follow': { payload: workspaceRef, attempts: 5, backoffSeconds: 2, timeoutSeconds: 120 },
  /** Open the pull request of what a workspace pushed, or write its text anew. */
  'pull-request.open': { payload: workspaceRef, attempts: 5, backoffSeconds: 5, timeoutSeconds: 120 },
} as const satisfies Record<string, JobDefinition>;

export type JobName = keyof typeof jobs;
export type JobPayload<N extends JobName> = z.output<(typeof jobs)[N]['payload']>;

/** What does a job. Must be safe to run twice: a worker may die after the work and before saying so. */
export type JobHandler<N extends JobName> = (payload: JobPayload<N>, signal: AbortSignal) => Promise<void>;
