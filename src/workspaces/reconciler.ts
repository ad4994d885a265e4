import { Inject, Injectable } from '@nestjs/common';
import type { Agent, RepositorySource, WorkspaceState } from '../contracts/index.js';
import { CredentialsService, InstallationTokens } from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import { hashToken } from '../identity/index.js';
import {
  BerthError,
  crashPoint,
  inSpan,
  KeyedLock,
  LOG,
  messageOf,
  TRACER,
  whenAsked,
  World,
  type Log,
  type Tracer,
} from '../kernel/index.js';
import { JobHandlers } from '../queue/index.js';
import { BoundedRuntime, type Runtime, type RuntimeStart } from '../runtime/index.js';
import { deadlineOf } from './deadlines.js';
import { folderProblem } from './folder.js';
import { withoutHost } from './hosts.js';
import { Moves } from './moves.js';
import { Placement } from './placement.js';
import { gitRouteOf } from './repository.js';
import { RunnerWatch } from './runner-watch.js';
import { RUNTIME } from './runtime-token.js';
import { WorkspaceSettings } from './settings.js';
import { plan, type Step } from './state.js';
import { factsOf, workspacesStore, type Initiator, type LockedWorkspace } from './workspaces.store.js';

const TOKEN_BYTES = 32;
/** More steps in a row than any legal life of a workspace has: a bug, not work. */
const MAX_STEPS = 6;

interface Ref {
  organizationId: string;
  workspaceId: string;
}

interface IssuedTokens {
  runner: { text: string; hash: string };
  proxy: { text: string; hash: string };
}

/** Does what `plan` says is due for a workspace, step by step, until nothing is. Safe to run at any time and any number of times. */
@Injectable()
export class Reconciler {
  private readonly oneAtATime = new KeyedLock();
  private readonly runtime: Runtime;
  private readonly watch: RunnerWatch;

  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly placement: Placement,
    private readonly credentials: CredentialsService,
    private readonly installationTokens: InstallationTokens,
    private readonly settings: WorkspaceSettings,
    private readonly world: World,
    @Inject(RUNTIME) runtime: Runtime,
    @Inject(LOG) private readonly log: Log,
    @Inject(TRACER) private readonly tracer: Tracer,
    handlers: JobHandlers,
  ) {
    this.runtime = new BoundedRuntime(runtime, settings.runtimeSeconds);
    this.watch = new RunnerWatch(settings.runnerSilentSeconds);
    handlers.add('workspace.reconcile', (ref) => this.reconcile(ref));
  }

  /**
   * One at a time per workspace: a decision to start must not be carried out after a later one to stop. The runner's first call asks the row again, which
   * holds across processes, too.
   */
  reconcile(ref: Ref): Promise<void> {
    return this.oneAtATime.run(ref.workspaceId, async () => {
      for (let steps = 0; steps < MAX_STEPS; steps++) {
        if (!(await this.takeStep(ref))) return;
      }
      this.log.error(
        { workspaceId: ref.workspaceId },
        'a workspace does not come to rest; the sweep will look again',
      );
    });
  }

  /** True when there may be more to do. */
  private async takeStep(ref: Ref): Promise<boolean> {
    const row = await this.database.tenant(ref.organizationId, (tenant) =>
      workspacesStore.findLocked(tenant, ref.workspaceId),
    );
    if (!row) {
      await this.runtime.destroy(ref.workspaceId);
      return false;
    }
    const { whose, host } = await this.placement.of(row);
    const step = plan(factsOf(row), this.world.clock.now());
    if (whose === 'theirs') {
      await this.placement.handOver(ref, host);
      return false;
    }
    if (whose === 'lost' && host)
      return this.tellingObstacles(ref, row, () => this.carryOut(ref, row, withoutHost(step, host)));
    if (whose === 'nobody' && step.do === 'ensure-runner') return this.placement.take(ref, row);
    return this.tellingObstacles(ref, row, () => this.carryOut(ref, row, step));
  }

  private async carryOut(ref: Ref, row: LockedWorkspace, step: Step): Promise<boolean> {
    switch (step.do) {
      case 'nothing':
        return this.keepAsleep(ref);
      case 'begin':
        return this.begin(ref, step);
      case 'ensure-runner':
        return this.ensureRunner(ref, row);
      case 'stop':
        return this.stop(ref);
      case 'clean-up':
        await this.silence(ref);
        return false;
      case 'destroy':
        return this.destroy(ref);
      case 'forget':
        return this.forget(ref);
      case 'give-up':
        return this.giveUp(ref, row, { code: step.code, message: step.reason });
    }
  }

  private begin(ref: Ref, seen: Extract<Step, { do: 'begin' }>): Promise<boolean> {
    return this.inside(ref, async (tenant, row) => {
      const now = this.world.clock.now();
      const step = plan(factsOf(row), now);
      // Asked again under the lock: a message may have come since, and what has work is not put to sleep.
      if (step.do !== 'begin' || step.to !== seen.to) return true;
      if (step.why === 'idle') await workspacesStore.desire(tenant, row.id, 'hibernated', now);
      const reason = step.why === 'idle' ? `idle for ${row.idleTimeoutMinutes} minutes` : 'asked for';
      const begins = {
        id: this.world.ids.next(),
        kind: step.operation,
        reason,
        initiator: systemInitiator(step.why),
      };
      await this.moves.move(tenant, row.id, row.state as WorkspaceState, {
        to: step.to,
        reason: null,
        at: now,
        begins,
      });
      tenant.afterCommit(() => {
        crashPoint('reconcile.begun');
        return Promise.resolve();
      });
      return true;
    });
  }

  private async ensureRunner(ref: Ref, row: LockedWorkspace): Promise<boolean> {
    if ((await this.runtime.inspect(ref.workspaceId)) === 'running') {
      if (!(await this.hangs(row))) return false;
      this.log.warn({ workspaceId: row.id, lastHeardAt: row.runnerSeenAt }, 'a runner hangs and is replaced');
      await this.runtime.stop(ref.workspaceId);
      this.watch.forget(row.id);
    }
    const source = row.source as RepositorySource;
    const problem = await folderProblem(source, this.settings.repositories);
    if (problem) return this.giveUp(ref, row, { code: 'operation-not-possible', message: problem });
    await this.resolveAnew(ref, row);
    const tokens = await this.issueTokens(ref);
    crashPoint('runner.tokens-issued');
    let adopted: boolean;
    try {
      ({ adopted } = await this.startRunner({
        ...ref,
        repository: source,
        agent: row.agent as Agent,
        runnerToken: tokens.runner.text,
        proxyToken: tokens.proxy.text,
        git: gitRouteOf(source, row, this.settings.repositories.githubUrl),
      }));
    } catch (error) {
      return this.notStarted(ref, row, tokens, error);
    }
    crashPoint('runner.started');
    // Not inside the try: when this fails, what was started lives on, and so must its tokens.
    await this.dropOldTokens(ref, tokens, adopted);
    return false;
  }

  private startRunner(request: RuntimeStart): Promise<{ adopted: boolean }> {
    const attributes = { 'berth.agent': request.agent };
    return inSpan(whenAsked(this.tracer), 'runtime.start', { attributes }, async (span) => {
      const started = await this.runtime.start(request);
      span.set({ 'berth.adopted': started.adopted });
      return started;
    });
  }

  /** A runner that should have said hello by now counts as one that should have been heard. */
  private hangs(row: LockedWorkspace): Promise<boolean> {
    const { runnerSeenAt: seen, stateChangedAt: changed } = row;
    return this.watch.hangs(row.id, {
      heardAt: seen && seen > changed ? seen : changed,
      now: this.world.clock.now(),
      canReachBerth: () => this.runtime.canReachBerth(),
    });
  }

  /** What sleeps has no runner. One may live all the same: a start that came late, a stop that did not reach it. */
  private async keepAsleep(ref: Ref): Promise<boolean> {
    const presence = await this.runtime.inspect(ref.workspaceId);
    if (presence !== 'running' && presence !== 'detached') return false;
    this.log.warn({ workspaceId: ref.workspaceId }, 'a runner lives in a workspace that sleeps; ending it');
    await this.silence(ref);
    return false;
  }

  /** What could not be done is said to people, in the row and in the operation, for as long as it lasts. The queue and the sweep try again. */
  private async tellingObstacles(
    ref: Ref,
    row: LockedWorkspace,
    work: () => Promise<boolean>,
  ): Promise<boolean> {
    const state = row.state as WorkspaceState;
    const deadline = deadlineOf(state);
    const tell = (obstacle: string | null): Promise<void> =>
      this.database.tenant(ref.organizationId, (tenant) =>
        workspacesStore.tellObstacle(tenant, ref.workspaceId, state, obstacle),
      );
    try {
      const more = await work();
      if (deadline && row.obstacle !== null) await tell(null);
      return more;
    } catch (error) {
      if (deadline) await tell(obstacleOf(deadline.doing, error));
      throw error;
    }
  }

  /** A start is a new start for credentials (rule 7): what the workspace shows is what would serve it now, not what served before it slept. */
  private async resolveAnew(ref: Ref, row: LockedWorkspace): Promise<void> {
    const { organizationId } = ref;
    const agent = row.agent as Agent;
    const { chosen } = await this.credentials.resolve({ organizationId, userId: row.ownerId, agent });
    const credential = chosen && { id: chosen.credentialId, scope: chosen.scope, kind: chosen.kind };
    await this.database.tenant(organizationId, (tenant) =>
      workspacesStore.setCredential(tenant, row.id, credential),
    );
  }

  /** The machine said no. What is over in a moment is tried again by the queue; all else is said to people. */
  private async notStarted(
    ref: Ref,
    row: LockedWorkspace,
    tokens: IssuedTokens,
    error: unknown,
  ): Promise<boolean> {
    await this.database.tenant(ref.organizationId, async (tenant) => {
      await workspacesStore.revokeToken(tenant, tokens.runner.hash);
      await workspacesStore.revokeToken(tenant, tokens.proxy.hash);
    });
    if (!(error instanceof BerthError) || error.code === 'not-ready') throw error;
    this.log.warn(
      { workspaceId: ref.workspaceId, code: error.code, reason: messageOf(error.cause ?? error) },
      'a workspace could not start',
    );
    return this.giveUp(ref, row, { code: error.code, message: error.message });
  }

  private async stop(ref: Ref): Promise<boolean> {
    await this.silence(ref);
    crashPoint('hibernate.silenced');
    return this.inside(ref, async (tenant, row) => {
      if (row.state !== 'hibernating') return true;
      await this.moves.move(tenant, row.id, 'hibernating', {
        to: 'hibernated',
        // Why it was put to sleep is still the reason when it sleeps.
        reason: row.stateReason,
        at: this.world.clock.now(),
        ends: { state: 'succeeded' },
      });
      return true;
    });
  }

  /**
   * Ends the runner, then what it was lent of its own at GitHub, and then, with its tokens, whatever it might still want to say. A failed workspace without tokens is cleaned up: the sweep goes by
   * that, so they go last.
   */
  private async silence(ref: Ref): Promise<void> {
    await this.runtime.stop(ref.workspaceId);
    await this.installationTokens.endOf(ref.organizationId, ref.workspaceId);
    await this.database.tenant(ref.organizationId, (tenant) =>
      workspacesStore.revokeTokens(tenant, ref.workspaceId, []),
    );
  }

  private async destroy(ref: Ref): Promise<boolean> {
    await this.runtime.destroy(ref.workspaceId);
    // Before the rows that know of them go; what a crash forgets ends within the hour.
    await this.installationTokens.endOf(ref.organizationId, ref.workspaceId);
    crashPoint('delete.destroyed');
    return this.forget(ref);
  }

  private async forget(ref: Ref): Promise<boolean> {
    await this.database.tenant(ref.organizationId, (tenant) =>
      workspacesStore.remove(tenant, ref.workspaceId),
    );
    return false;
  }

  private giveUp(
    ref: Ref,
    seen: LockedWorkspace,
    error: { code: string; message: string },
  ): Promise<boolean> {
    return this.inside(ref, async (tenant, row) => {
      if (row.state !== seen.state || row.stateChangedAt.getTime() !== seen.stateChangedAt.getTime())
        return true;
      const move = {
        to: 'failed' as const,
        reason: error.message,
        at: this.world.clock.now(),
        ends: { state: 'failed' as const, error },
      };
      await this.moves.move(tenant, row.id, row.state as WorkspaceState, move);
      return true;
    });
  }

  private async issueTokens({ organizationId, workspaceId }: Ref): Promise<IssuedTokens> {
    const token = (): { text: string; hash: string } => {
      const text = this.world.random(TOKEN_BYTES).toString('base64url');
      return { text, hash: hashToken(text) };
    };
    const tokens = { runner: token(), proxy: token() };
    const createdAt = this.world.clock.now();
    await this.database.tenant(organizationId, async (tenant) => {
      await workspacesStore.issueToken(tenant, {
        hash: tokens.runner.hash,
        workspaceId,
        identity: 'runner',
        createdAt,
      });
      await workspacesStore.issueToken(tenant, {
        hash: tokens.proxy.hash,
        workspaceId,
        identity: 'proxy',
        createdAt,
      });
    });
    return tokens;
  }

  /** The older proxy tokens are nobody's now. An adopted runner keeps its own; a new one is the only one. */
  private dropOldTokens(ref: Ref, tokens: IssuedTokens, adopted: boolean): Promise<void> {
    return this.database.tenant(ref.organizationId, async (tenant) => {
      await workspacesStore.revokeTokens(tenant, ref.workspaceId, [tokens.proxy.hash], 'proxy');
      if (adopted) await workspacesStore.revokeToken(tenant, tokens.runner.hash);
      else await workspacesStore.revokeTokens(tenant, ref.workspaceId, [tokens.runner.hash], 'runner');
    });
  }

  private inside(
    ref: Ref,
    work: (tenant: Tenant, row: LockedWorkspace) => Promise<boolean>,
  ): Promise<boolean> {
    return this.database.tenant(ref.organizationId, async (tenant) => {
      const row = await workspacesStore.findLocked(tenant, ref.workspaceId);
      return row ? work(tenant, row) : false;
    });
  }
}

function systemInitiator(why: 'asked' | 'idle'): Initiator {
  return why === 'idle'
    ? { type: 'system', id: 'idle-policy', name: 'Idle policy' }
    : { type: 'system', id: 'worker', name: 'Berth' };
}

/** For people: what was tried, and what the runtime said where it said something meant for them. */
function obstacleOf(doing: string, error: unknown): string {
  const isTold = error instanceof BerthError && error.code !== 'internal';
  const said = isTold ? error.message : 'Something went wrong; the server’s log has the details.';
  return `It could not ${doing} yet, and is tried again. ${said}`;
}
