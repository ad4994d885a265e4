import { Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import type { WorkspaceView } from '../../contracts/index.js';
import { Database, SystemStore, type Tenant } from '../../database/index.js';
import { eventsStore } from '../../events/index.js';
import { PublicUrl } from '../../http/index.js';
import { World } from '../../kernel/index.js';
import { JobHandlers } from '../../queue/index.js';
import { Sweep, WorkspaceMachines, type LockedWorkspace } from '../../workspaces/index.js';
import { Conversations } from '../conversations/conversations.service.js';
import type { HostedPull, PullRequestHost, PullRequestPlace } from './host.js';
import { isDue, ownPullOf, suspendedOr, type OwnPull } from './own-pull.js';
import { PullRequests, suspensionOf } from './pull-requests.service.js';
import { bodyOf, titleOf, type PullRequestFacts } from './wording.js';

/** So many in one round of the sweep. */
const PER_ROUND = 200;

/** What is to be done for one workspace. */
interface Due {
  own: OwnPull;
  host: PullRequestHost;
  place: PullRequestPlace;
  from: string | null;
  facts: PullRequestFacts;
}

/** What came of it. */
type Done =
  | { state: 'open'; pull: HostedPull; isNew: boolean }
  | { state: 'merged' | 'closed' }
  | { state: 'refused'; message: string }
  | { state: 'nothing-new' };

/**
 * Opens pull requests and keeps their text up to date, in processes that work. Two at once, or one that was killed before it had written down what it did, find the pull request of the branch: the
 * host has one for a branch. It is told as an event once, in the transaction that takes it into the row.
 */
@Injectable()
export class PullRequestJobs {
  constructor(
    private readonly database: Database,
    private readonly pulls: PullRequests,
    private readonly machines: WorkspaceMachines,
    private readonly chats: ChatsService,
    private readonly conversations: Conversations,
    private readonly publicUrl: PublicUrl,
    private readonly world: World,
    private readonly system: SystemStore,
    handlers: JobHandlers,
    sweep: Sweep,
  ) {
    handlers.add('pull-request.open', ({ organizationId, workspaceId }) =>
      this.attend(organizationId, workspaceId),
    );
    sweep.also(() => this.askForAll());
  }

  /** Does what is due now for one workspace. Throws what may be tried again. */
  async attend(organizationId: string, workspaceId: string): Promise<void> {
    const due = await this.database.tenant(organizationId, (tenant) => this.due(tenant, workspaceId));
    if (!due) return;
    const done =
      due.own.state === 'open'
        ? await this.update(organizationId, due)
        : await this.open(organizationId, due);
    await this.database.tenant(organizationId, (tenant) => this.book(tenant, workspaceId, due, done));
  }

  private async askForAll(): Promise<void> {
    const { pullRequests } = this.system;
    for (const due of await pullRequests.due(PER_ROUND)) await this.pulls.ask(due);
    for (const back of await pullRequests.back(PER_ROUND)) await this.pulls.ask(back);
  }

  private async due(tenant: Tenant, workspaceId: string): Promise<Due | null> {
    const row = await this.machines.ofMachine(tenant, workspaceId);
    const before = ownPullOf(row?.pullRequest);
    const { host } = this.pulls;
    if (!row || !before || !host || !(isDue(before) || before.state === 'suspended')) return null;
    const place = await this.pulls.placeOf(tenant, row);
    if (!place) {
      // The installation went meanwhile: what was pushed is on its branch.
      await this.pulls.keep(tenant, row, { ...before, state: 'refused' });
      return null;
    }
    const own = suspendedOr(before, suspensionOf(place));
    if (own !== before) await this.pulls.keep(tenant, row, own);
    // The sweep finds it when it is back.
    if ('suspended' in place || !isDue(own)) return null;
    const facts = {
      workspaceUrl: `${this.publicUrl.url.replace(/\/+$/, '')}/workspaces/${row.id}`,
      name: row.name,
      origin: row.origin as WorkspaceView['origin'],
      asked: await this.chats.asked(tenant, row.id),
    };
    return { own, host, place, from: row.ref, facts };
  }

  private async open(organizationId: string, { own, host, place, from, facts }: Due): Promise<Done> {
    const [title, body] = [titleOf(facts), bodyOf(facts)];
    const opened = await host.open(organizationId, place, { head: own.head, from, title, body });
    if (opened.outcome === 'refused') return { state: 'refused', message: opened.message };
    if (opened.outcome === 'nothing-new') return { state: 'nothing-new' };
    return { state: 'open', pull: opened.pull, isNew: opened.isNew };
  }

  private async update(organizationId: string, { own, host, place, facts }: Due): Promise<Done> {
    const number = own.opened?.number ?? 0;
    const pull = await host.describe(organizationId, place, number, bodyOf(facts));
    if (!pull) return { state: 'closed' };
    return pull.state === 'open' ? { state: 'open', pull, isNew: false } : { state: pull.state };
  }

  private async book(tenant: Tenant, workspaceId: string, due: Due, done: Done): Promise<void> {
    const row = await this.machines.ofMachine(tenant, workspaceId);
    const own = ownPullOf(row?.pullRequest);
    // Somebody else was first, or it is gone.
    if (!row || own?.state !== due.own.state || own.head !== due.own.head) return;
    if (done.state === 'open') return this.bookOpen(tenant, row, own, due, done.pull);
    if (done.state === 'nothing-new') return this.pulls.keep(tenant, row, null);
    if (done.state === 'refused') await this.tellRefused(tenant, row, own, done.message);
    // Of one that was merged while there was more: what came after it gets another.
    const isMore = done.state === 'merged' && own.told !== own.commit;
    const after = isMore
      ? { ...own, state: 'wanted' as const, told: null, opened: null }
      : { ...own, state: done.state };
    await this.pulls.keep(tenant, row, after);
  }

  private async bookOpen(
    tenant: Tenant,
    row: LockedWorkspace,
    own: OwnPull,
    { place, host, own: before }: Due,
    pull: HostedPull,
  ): Promise<void> {
    const { installationId, repositoryId } = place;
    const opened = { number: pull.number, url: pull.url, repositoryId, installationId };
    // What was pushed while this was under way is for the next.
    await this.pulls.keep(tenant, row, { ...own, state: 'open', told: before.commit, opened });
    if (before.state === 'open') return;
    const { number, url, title, base } = pull;
    await eventsStore.append(tenant, row.id, [
      {
        type: 'pull_request.opened',
        at: this.world.clock.now(),
        data: { number, url, title, branch: own.head, base },
        sourceKey: `pull-request/${repositoryId}/${number}`,
      },
    ]);
    const { lastEventSeq } = (await this.machines.ofMachine(tenant, row.id)) ?? row;
    const conversation = host.conversationOf(place, pull, own.head);
    await this.conversations.open(tenant, conversation, { workspaceId: row.id, eventCursor: lastEventSeq });
  }

  private async tellRefused(
    tenant: Tenant,
    row: LockedWorkspace,
    { head, commit }: OwnPull,
    message: string,
  ): Promise<void> {
    await eventsStore.append(tenant, row.id, [
      {
        type: 'git.failed',
        at: this.world.clock.now(),
        data: { code: 'pull-request-refused', message: `The work is on the branch ${head}. ${message}` },
        sourceKey: `pull-request-refused/${commit}`,
      },
    ]);
  }
}
