import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError, RefusedError } from './failure.js';
import { shortId } from '../kernel/index.js';
import type { Session } from './session.js';
import type { Workspace } from './wire.js';

/** A state to wait for. */
export type Goal = 'running' | 'hibernated';

const pollMilliseconds = 500;

/**
 * Waits until a workspace is in a state. Events only wake; what counts is the workspace as it is read afterwards.
 * @param after the number of an event before the change that is waited for
 * @throws CliError with exit code 7 when it fails or is deleted instead, 5 when somebody wants another state meanwhile.
 */
export async function waitForState(
  session: Session,
  context: CliContext,
  { id, goal, after }: { id: string; goal: Goal; after: number },
): Promise<Workspace> {
  const look = async (): Promise<Workspace | null> => {
    const workspace = await session.workspace(id);
    context.progress.wait(`The workspace ${shortId(id)} is ${workspace.state}`);
    return reached(workspace, goal) ? workspace : null;
  };
  const now = await look();
  if (now !== null) return now;
  for await (const event of session.followEvents(id, after)) {
    if (event.type !== 'workspace.state') continue;
    const workspace = await look();
    if (workspace !== null) return workspace;
  }
  throw new CliError(exitCodes.unavailable, 'Berth ended the event stream. Try again.');
}

/** Waits until a workspace is gone. Asked again and again: of what is deleted no event tells. */
export async function waitUntilDeleted(session: Session, context: CliContext, id: string): Promise<void> {
  context.progress.wait(`The workspace ${shortId(id)} is deleting`);
  for (;;) {
    try {
      if ((await session.workspace(id)).state === 'deleted') return;
    } catch (error) {
      if (error instanceof RefusedError && error.status === 404) return;
      throw error;
    }
    await context.sleep(pollMilliseconds, context.signal);
  }
}

/** Whether the wait is over. Throws CliError when it never will be: exit code 7 for a workspace that failed, 5 when somebody wants another state. */
export function reached(workspace: Workspace, goal: Goal): boolean {
  if (workspace.state === goal) return true;
  if (['failed', 'deleting', 'deleted'].includes(workspace.state)) throw workspaceGone(workspace);
  const wanted = workspace.desiredState ?? goal;
  if (wanted === goal) return false;
  throw new CliError(
    exitCodes.conflict,
    `Somebody wants the workspace to be ${wanted} meanwhile, so it will not be ${goal}.`,
  );
}

/** The workspace failed, or is being deleted: exit code 7. */
export function workspaceGone(workspace: Workspace): CliError {
  return new CliError(
    exitCodes.turnFailed,
    `The workspace is ${workspace.state}${workspace.stateReason ? `: ${workspace.stateReason}` : '.'}`,
    [],
    { code: `workspace-${workspace.state}` },
  );
}
