import type { RunnerAssignment, RunnerFile } from '../contracts/runner.js';
import type { Ids } from '../kernel/ids.js';
import type { Log } from '../kernel/log.js';
import { ClaudeDriver } from './agents/claude.js';
import { CodexDriver } from './agents/codex.js';
import type { AgentDriver } from './agents/driver.js';
import { instructionsOf } from './agents/instructions.js';
import { agentEnvironment, type DriverOptions } from './agents/options.js';
import { COMMITTER, type Person } from './environment.js';
import { commitWork } from './git/commit.js';
import { Git } from './git/git.js';
import { readMarker } from './git/marker.js';
import { prepareTree } from './git/prepare.js';
import { sourceBinds } from './git/source.js';
import { WorkBranch, type Published } from './git/work-branch.js';
import { refusePlantedEnvironment, refusePlantedFiles } from './planted-keys.js';
import type { Bind, Sandbox } from './sandbox/sandbox.js';
import type { Timer } from './timer.js';

export interface WorkspaceOptions {
  file: RunnerFile;
  assignment: RunnerAssignment;
  sandbox: Sandbox;
  timer: Timer;
  ids: Ids;
  log: Log;
}

/** One workspace's tree and agent, inside its sandbox. */
export interface Workspace {
  readonly driver: AgentDriver;
  /** Makes the tree ready, once. Throws WorkspaceFailure with a reason for people. */
  prepare(signal: AbortSignal): Promise<void>;
  /** Takes in what others pushed to the branch meanwhile, and says what the agent has to know of it; null: nothing. Throws GitFailure. */
  catchUp(author: Person, signal: AbortSignal): Promise<string | null>;
  /** Commits what a turn left and publishes the branch. What was published, or null when there was nothing new. Throws GitFailure. */
  publishWork(text: string, author: Person, signal: AbortSignal): Promise<Published | null>;
}

/** The workspace of an assignment. Throws WorkspaceFailure when its repository cannot be used at all, or its agent would be given a real credential. */
export function openWorkspace(options: WorkspaceOptions): Workspace {
  const { file, assignment, sandbox, timer } = options;
  const { tree, home, scratch } = file.directories;
  const own = [tree, home, scratch, file.socketDirectory];
  const binds = sourceBinds(assignment.repository, own);
  const git = new Git({
    sandbox,
    timer,
    git: file.git,
    path: file.path,
    repository: assignment.repository,
    placeholder: file.placeholder,
  });
  const branch = new WorkBranch({
    ...{ git, assignment, scratch, binds },
    writableBinds: () => sourceBinds(assignment.repository, own, true),
    inside: (path, target) => sandbox.inside(path, target),
  });
  const driverOptions = driverOptionsOf(options, binds);
  refusePlantedEnvironment({
    ...agentEnvironment(driverOptions, COMMITTER),
    BERTH_PLACEHOLDER: file.placeholder,
  });
  return {
    driver: assignment.agent === 'claude' ? new ClaudeDriver(driverOptions) : new CodexDriver(driverOptions),
    prepare: async (signal) => {
      await refusePlantedFiles(git, sandbox.paths.home, readMarker(scratch) === null, signal);
      await prepareTree({ git, assignment, tree, scratch, binds, signal });
    },
    catchUp: (author, signal) => branch.catchUp(author, signal),
    publishWork: async (text, author, signal) => {
      await commitWork(git, text, author, signal);
      return branch.publish(author, signal);
    },
  };
}

function driverOptionsOf(
  { file, assignment, sandbox, timer, ids, log }: WorkspaceOptions,
  binds: readonly Bind[],
): DriverOptions {
  return {
    sandbox,
    program: file.agents[assignment.agent],
    placeholder: file.placeholder,
    path: file.path,
    repository: assignment.repository,
    instructions: instructionsOf(assignment),
    isOfStrangers: assignment.readOnly,
    binds,
    timer,
    ids,
    log,
  };
}
