import { Inject, Injectable } from '@nestjs/common';
import { RunnerTurnsService, type Pushed } from '../../chats/index.js';
import type { RepositorySource } from '../../contracts/index.js';
import type { JsonObject, Tenant } from '../../database/index.js';
import { LOG, messageOf, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import {
  httpsPlaceOf,
  ownBranchOf,
  WorkspaceMachines,
  type LockedWorkspace,
} from '../../workspaces/index.js';
import { conversationsStore } from '../conversations/conversations.store.js';
import type { PullRequestHost, PullRequestPlace, SuspendedPlace } from './host.js';
import { afterPush, isDue, ownPullOf, suspendedOr, type OwnPull } from './own-pull.js';

const GITHUB = 'github.com';

/** The pull requests that Berth opens for what workspaces push to their own branches. What is wanted stands in the workspace's row; a job does it. */
@Injectable()
export class PullRequests {
  #host: PullRequestHost | null = null;

  constructor(
    private readonly machines: WorkspaceMachines,
    private readonly queue: JobQueue,
    @Inject(LOG) private readonly log: Log,
    turns: RunnerTurnsService,
  ) {
    turns.whenPushed((tenant, workspace, pushed) => this.pushed(tenant, workspace, pushed));
  }

  /** For the integration, which opens them: the arrow points down. */
  openedBy(host: PullRequestHost): void {
    this.#host = host;
  }

  get host(): PullRequestHost | null {
    return this.#host;
  }

  /** Where the workspace's repository is reached; null: nowhere, and its branch is pushed and nothing else. */
  async placeOf(
    tenant: Tenant,
    workspace: Pick<LockedWorkspace, 'source' | 'repository' | 'repositoryId'>,
  ): Promise<PullRequestPlace | SuspendedPlace | null> {
    const place = httpsPlaceOf({ ...workspace, source: workspace.source as RepositorySource });
    if (!this.#host || place?.host !== GITHUB) return null;
    return this.#host.placeOf(tenant, { fullName: place.repository, repositoryId: place.repositoryId });
  }

  /** Keeps how it stands. The caller holds the workspace's row. */
  async keep(tenant: Tenant, workspace: LockedWorkspace, own: OwnPull | null): Promise<void> {
    const { own: _before, ...given } = (workspace.pullRequest ?? {}) as JsonObject;
    const kept: JsonObject = own ? { ...given, own: { ...own } } : given;
    const url = own?.opened?.url ?? workspace.pullRequestUrl;
    await this.machines.keepPullRequest(tenant, workspace, { pullRequest: kept, pullRequestUrl: url });
    if (own && isDue(own)) this.soon(tenant, workspace.id);
  }

  /** People closed, merged or opened it again; the workspace whose it is, or null: it is none of Berth's. */
  async moved(
    tenant: Tenant,
    conversationKey: string,
    number: number,
    state: 'open' | 'merged' | 'closed',
  ): Promise<string | null> {
    const conversation = await conversationsStore.findByKey(tenant, 'github', conversationKey);
    if (!conversation?.workspaceId) return null;
    const workspace = await this.machines.ofMachine(tenant, conversation.workspaceId);
    const own = ownPullOf(workspace?.pullRequest);
    if (!workspace || own?.opened?.number !== number) return null;
    if (own.state !== state) await this.keep(tenant, workspace, { ...own, state });
    return workspace.id;
  }

  /** Wakes a worker for it; the sweep finds it as well. */
  async ask(due: { organizationId: string; workspaceId: string }): Promise<void> {
    await this.queue.add('pull-request.open', due).catch((error: unknown) => {
      this.log.warn({ reason: messageOf(error) }, 'could not ask for a pull request; it is found later');
    });
  }

  private async pushed(tenant: Tenant, workspace: LockedWorkspace, pushed: Pushed): Promise<void> {
    // A branch that people share has its pull request. And what a runner says of any other branch is no reason to write anywhere.
    if (workspace.readOnly || pushed.branch !== ownBranchOf(workspace.id)) return;
    const place = await this.placeOf(tenant, workspace);
    const own = place && afterPush(ownPullOf(workspace.pullRequest), pushed);
    if (own) await this.keep(tenant, workspace, suspendedOr(own, suspensionOf(place)));
  }

  private soon(tenant: Tenant, workspaceId: string): void {
    const { organizationId } = tenant;
    tenant.afterCommit(() => this.ask({ organizationId, workspaceId }));
  }
}

/** The installation for which all waits there; null: nothing does. */
export function suspensionOf(place: PullRequestPlace | SuspendedPlace): string | null {
  return 'suspended' in place ? place.suspended : null;
}
