import { z } from 'zod';
import type { Cause, TraceExport } from '../kernel/index.js';
import { agentSchema } from './agents.js';
import { causeSchema } from './cause.js';
import { seenSchema } from './text.js';

/**
 * The wire between a runner and the control plane: `POST {internal}/internal/v1/runner/…` with `Authorization: Bearer` and the runner
 * token, which is valid for one workspace alone. JSON both ways; errors are problem+json. 401 means: this runner was replaced
 * or its workspace sleeps or is gone; end. Any other failure: try again, with back-off, until `orphanSeconds` have passed.
 */
export const runnerPaths = {
  hello: '/internal/v1/runner/hello',
  claim: '/internal/v1/runner/claim',
  report: '/internal/v1/runner/report',
  commands: '/internal/v1/runner/commands',
} as const;

/** `hello`: the first call of a runner that just started. `runnerId` is made by the runner, new at each start. */
export const runnerHelloSchema = z.strictObject({ runnerId: z.uuid(), pid: z.int().positive() });
export type RunnerHello = z.infer<typeof runnerHelloSchema>;

/**
 * Where a workspace's files come from. `https`: cloned and pushed through the proxy's git route, `path` is `host/owner/name.git` (no leading slash).
 * `file`: an absolute path on the host, bound read-only where the agent runs.
 */
export const repositorySourceSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('https'), url: z.url(), path: z.string() }),
  z.strictObject({ type: z.literal('file'), url: z.string(), path: z.string() }),
]);
export type RepositorySource = z.infer<typeof repositorySourceSchema>;

/** Answer to `hello`: everything a runner needs to know of its workspace. No secret is in it. */
export const runnerAssignmentSchema = z.object({
  workspaceId: z.uuid(),
  repository: repositorySourceSchema,
  /** Branch, tag or commit to start from; null is the repository's default branch. */
  ref: z.string().nullable(),
  /** The branch that work goes to: the workspace's own (`berth/<short id>`), or one that people share, a pull request's. */
  branch: z.string(),
  /** Where `branch` is one that people share: the workspace's own, for work that may not go there. Null: `branch` is the own one. */
  fallbackBranch: z.string().nullable(),
  /** Code of strangers: it is read and answered about, what it says to agents is not followed, and nothing of it is pushed. */
  readOnly: z.boolean(),
  /** What the repository's own people tell agents at work in it (WORKFLOW.md of its default branch). */
  instructions: z.string().nullable(),
  agent: agentSchema,
  model: z.string(),
});
export type RunnerAssignment = z.infer<typeof runnerAssignmentSchema>;

/** `claim`: waits up to `waitSeconds` for a turn. 200 with a turn, or 204 when there is none. */
export const claimRequestSchema = z.strictObject({
  runnerId: z.uuid(),
  waitSeconds: z.number().min(0).max(30),
});

/**
 * A turn to work on. `mode: start`: send `text` to the agent. `mode: continue`: an earlier attempt had begun, and a tool ran in it or its end is unknown; the session is
 * continued and the request is not asked again (rule 8). `mode: replay`: what was asked last was never answered, for lack of a login, and no tool ran; what the session holds after
 * `point` is cut off and `text` is sent. `attemptId` goes into the agent as the message's uuid, so that a double delivery is dropped.
 */
export const claimedTurnSchema = z.object({
  turnId: z.uuid(),
  attemptId: z.uuid(),
  attempt: z.int().positive(),
  mode: z.enum(['start', 'continue', 'replay']),
  text: z.string(),
  author: z.object({ name: z.string(), email: z.string() }),
  /** The agent's own session to resume, as last reported by `agent.session`; null before the first. */
  session: z.string().nullable(),
  /** Up to where that session is good, as the last `turn.finished` told; null: nothing in it is. */
  point: z.string().nullable(),
  cause: causeSchema.optional(),
});
export type ClaimedTurn = z.infer<typeof claimedTurnSchema>;

const turnRef = { turnId: z.uuid(), attemptId: z.uuid() };

/** What an agent's turn came to. `failed` carries a stable code and a sentence for people. */
export const turnOutcomeSchema = z.discriminatedUnion('result', [
  z.strictObject({ result: z.literal('completed') }),
  z.strictObject({ result: z.literal('canceled') }),
  z.strictObject({ result: z.literal('failed'), code: seenSchema(), message: seenSchema() }),
]);
export type TurnOutcome = z.infer<typeof turnOutcomeSchema>;

/** One thing that an agent means to do; cut by the runner to 300 characters. */
export const planItemSchema = z.strictObject({
  content: seenSchema().pipe(z.string().max(300)),
  status: z.enum(['pending', 'in_progress', 'completed']),
});
export type PlanItem = z.infer<typeof planItemSchema>;

/**
 * One numbered fact from a runner. `n` counts from 1 without gaps per `runnerId`; the same `n` delivered again is dropped.
 * - `workspace.prepared`: the tree is cloned and on its branch; turns may be claimed. `workspace.failed`: it could not be, with a reason people can act on.
 * - `agent.text`: a piece of the answer as it streams. `agent.tool`: a tool call's start and end. `agent.plan`: what the agent means to do, all of it each time.
 * - `agent.session`: the agent's own session id, to resume with.
 * - `agent.answer`: the whole answer of the turn; comes before its `turn.finished`.
 * - `git.pushed`: the branch's new head was published; the workspace's own branch where the one that it works on was not to be had. `git.failed`: committing or publishing failed, or pushing is not allowed, and why.
 */
export const runnerItemSchema = z.discriminatedUnion('type', [
  z.strictObject({ n: z.int().positive(), type: z.literal('workspace.prepared') }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('workspace.failed'),
    code: seenSchema(),
    message: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('agent.text'),
    ...turnRef,
    text: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('agent.tool'),
    ...turnRef,
    toolId: seenSchema(),
    name: seenSchema(),
    state: z.enum(['started', 'completed', 'failed']),
    /** A short human-readable summary of input (at start) or output (at the end), cut by the runner to 2,000 characters. */
    summary: seenSchema().pipe(z.string().max(2000)).optional(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('agent.plan'),
    ...turnRef,
    items: z.array(planItemSchema).max(50),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('agent.session'),
    ...turnRef,
    session: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('agent.answer'),
    ...turnRef,
    text: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('git.pushed'),
    ...turnRef,
    branch: seenSchema(),
    commit: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('git.failed'),
    ...turnRef,
    code: seenSchema(),
    message: seenSchema(),
  }),
  z.strictObject({
    n: z.int().positive(),
    type: z.literal('turn.finished'),
    ...turnRef,
    outcome: turnOutcomeSchema,
    /** Seconds since the agent ended, on the runner's monotonic clock; a `completed` turn without a receipt is waited for only so long. */
    ageSeconds: z.number().min(0),
    /**
     * Up to where the agent's session is good now, as the agent names it (Claude: a message's uuid, Codex: a turn's id). Absent after an attempt without a login. In this fact and none before: were
     * it known of a turn whose end is not, who continues that turn would take it for not begun.
     */
    point: seenSchema().optional(),
  }),
]);
export type RunnerItem = z.infer<typeof runnerItemSchema>;

/** `report`: numbered items in order, at least once. At most 200 items and 256 KiB a batch (the runner splits longer text). */
export const reportRequestSchema = z.strictObject({
  runnerId: z.uuid(),
  items: z.array(runnerItemSchema).min(1).max(200),
});
/**
 * Everything up to and including `acknowledged` is stored. It may be less than was sent (a `turn.finished` whose receipt has not arrived yet): the
 * runner sends the rest again after `retryAfterSeconds`.
 */
export const reportAnswerSchema = z.object({
  acknowledged: z.int().min(0),
  retryAfterSeconds: z.number().min(0),
});
export type ReportAnswer = z.infer<typeof reportAnswerSchema>;

/**
 * `commands`: heartbeat and long poll in one. Answers at once when there is something to do, else after `waitSeconds`. `cancel`: the turn to interrupt, whose
 * `turn.finished` the runner then reports as `canceled`. `stop`: end now (hibernation or deletion is under way).
 */
export const commandsRequestSchema = z.strictObject({
  runnerId: z.uuid(),
  waitSeconds: z.number().min(0).max(30),
  /** Turns whose cancel the runner already knows about, so that it is not woken for them again. */
  canceling: z.array(z.uuid()),
});
export const commandsAnswerSchema = z.object({ cancel: z.array(z.uuid()), stop: z.boolean() });
export type CommandsAnswer = z.infer<typeof commandsAnswerSchema>;

/**
 * Raised with whatever a runner must understand and one of before does not (2: the mode `replay`; 3: `readOnly` and branches that people share). A runner outlives Berth and may meet a newer one: of another number it is not adopted but
 * replaced, and its turn is continued. Fields that may be passed over need no other number.
 */
export const RUNNER_PROTOCOL = 3;

/**
 * What the runtime writes for a runner, as the JSON file whose path is the runner's only argument (mode 0600, outside the sandbox).
 * All paths are absolute.
 */
export const runnerFileSchema = z.strictObject({
  /** `RUNNER_PROTOCOL` of the Berth that started it; absent in files of before. For the runtime alone. */
  protocol: z.int().optional(),
  internalUrl: z.url(),
  runnerToken: z.string(),
  workspaceId: z.uuid(),
  /** The workspace's own folders: `tree` (the repository's work tree) and `home` (HOME of agent and git) are writable in the sandbox. `scratch` holds the runner's own
   * files and bundles on their way out of the sandbox. */
  directories: z.strictObject({ tree: z.string(), home: z.string(), scratch: z.string() }),
  /** Folder that holds the proxy's Unix socket `s` and nothing else; bound read-only as a folder, since a bound socket file stays dead after the proxy restarts. */
  socketDirectory: z.string(),
  /** What the agent sends as its credential; worth nothing outside this workspace's socket. */
  placeholder: z.string(),
  sandbox: z.strictObject({ mode: z.enum(['bubblewrap', 'off']), bwrap: z.string() }),
  /** The agents' programs; null when not installed. */
  agents: z.strictObject({ claude: z.string().nullable(), codex: z.string().nullable() }),
  git: z.string(),
  /** Ends the runner when no control plane answered for so long. */
  orphanSeconds: z.number().positive(),
  /** Ends a turn that takes longer. */
  turnTimeoutSeconds: z.number().positive(),
  /** PATH inside the sandbox. */
  path: z.string(),
});
export type RunnerFile = z.infer<typeof runnerFileSchema>;

/**
 * What the runtime writes to the standard input of a runner that it starts, if there is anything to say: whom it is started for, and where its spans go. Not in the runner's
 * file, and not in its environment: the collector may want a secret header, and this way it is in the runner's memory alone.
 */
export interface RunnerInput {
  cause: Cause;
  traceExport: TraceExport | null;
}
