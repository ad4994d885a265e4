import { Inject, Injectable } from '@nestjs/common';
import { ReceiptsService } from '../chats/index.js';
import {
  agentOf,
  type Agent,
  type Kind,
  type Lease,
  type LentFor,
  type ProxyReportItem,
} from '../contracts/index.js';
import {
  CredentialsService,
  noCredential,
  noGitCredential,
  type Admission,
  type Asked,
  type Admissions,
  type ServedAgent,
  type ServedGit,
} from '../credentials/index.js';
import { Database, type Tenant } from '../database/index.js';
import { IdentityService, type Machine } from '../identity/index.js';
import { BerthError, GatheredLooks, METRICS, Turnstile, type Cause, type Metrics } from '../kernel/index.js';
import { Budgets, UsageLedger, type ReportedUse } from '../usage/index.js';
import {
  httpsPlaceOf,
  knownRepositoryOf,
  EgressPolicy,
  statesWithRunner,
  WorkspaceMachines,
  type LockedWorkspace,
  type HttpsPlace,
  type WorkspacePlace,
} from '../workspaces/index.js';
import type { RepositorySource, WorkspaceState } from '../contracts/index.js';

/** Where several write, one person's turn may follow another's, and waits until the proxy has forgotten what was the first one's own. */
const OWN_SECONDS_OF_SEVERAL = 1;
/** What is lent for git. */
const GIT_KINDS: ReadonlySet<Kind> = new Set(['github_installation', 'git_token']);
/** So many calls of one organization's proxies use the database at a time in this process, which has ten connections for everything. A crowd that comes at once waits here and is answered, where it would be turned away for want of a connection. */
const AT_A_TIME = 4;

/** A workspace, and the member it works for now: who wrote the turn, and not who owns the workspace. */
interface Served {
  workspace: WorkspacePlace;
  userId: string;
  cause: Cause | null;
}

/** What a look finds, whether or not anything may be lent. */
type Found = Omit<Served, 'userId'> & { userId: string | null; isMember: boolean };

/** Of upstreams that understand one kind alone. */
const onlyKind: Partial<Record<LentFor, Kind>> = { bedrock: 'aws_bedrock' };

/** What a proxy may ask: the credential that serves its workspace now, a model call's or git's, and which hosts its agent may reach; and what it tells of its calls, and of ways out that it refused. */
@Injectable()
export class LeasesService {
  readonly #turnstile = new Turnstile(AT_A_TIME);
  readonly #looks = new GatheredLooks<Found>();
  readonly #admissions: Admissions = {
    together: async (tenant, all) => {
      const ids = all.map(({ subjectId }) => subjectId);
      return this.admit(tenant, all, await this.machines.freePlacesOf(tenant, ids));
    },
    alone: async (tenant, asked) => {
      const place = await this.machines.heldPlaceOf(tenant, asked.subjectId);
      const [admission] = (await this.admit(tenant, [asked], place ? [place] : [])).values();
      return admission ?? notRunning();
    },
  };

  constructor(
    private readonly database: Database,
    private readonly machines: WorkspaceMachines,
    private readonly identity: IdentityService,
    private readonly credentials: CredentialsService,
    private readonly receipts: ReceiptsService,
    private readonly budgets: Budgets,
    private readonly ledger: UsageLedger,
    private readonly egress: EgressPolicy,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  /** Throws `forbidden` when the workspace does not run, or whoever asked is a member no more; `not-ready` between two persons' turns; `no-agent-credential`, `no-git-credential`. */
  async lease(machine: Machine, upstream: LentFor): Promise<Lease> {
    const counted = (outcome: string): void =>
      this.metrics.count('berth_leases_total', { upstream, outcome });
    try {
      const lease = await this.take(machine, upstream);
      counted('granted');
      return lease;
    } catch (error) {
      // Ours are a closed list; whatever else was thrown is one word.
      counted(error instanceof BerthError ? error.code : 'internal');
      if (error instanceof BerthError && error.code === 'budget-spent') await this.halt(machine, error);
      throw error;
    }
  }

  /** Apart from the lease, of which nothing was written: the turn's end shall say why. */
  private async halt({ organizationId, workspaceId }: Machine, error: BerthError): Promise<void> {
    await this.inTurn(organizationId, async (tenant) => {
      await this.machines.heldPlaceOf(tenant, workspaceId);
      await this.receipts.halted(tenant, workspaceId, error);
    });
  }

  private async take(machine: Machine, upstream: LentFor): Promise<Lease> {
    const { organizationId, workspaceId } = machine;
    const { workspace, userId, cause } = checked(await this.look(machine));
    const { organizationOnly } = workspace;
    const member = { organizationId, userId, organizationOnly, ...useOf(workspace, upstream) };
    const lease = await this.credentials.lease(member, workspaceId, {
      admissions: this.#admissions,
      ownSeconds: workspace.isOfSeveral ? OWN_SECONDS_OF_SEVERAL : undefined,
    });
    const moved = 'gitHost' in member ? movedTo(workspace) : {};
    return { ...lease, ...(cause ? { cause } : {}), ...moved };
  }

  /** Asked again, behind the workspaces' rows, when their leases are booked: meanwhile a turn may be over, and another person's begun. Whose row is not there has no answer. */
  private async admit(
    tenant: Tenant,
    all: Asked[],
    places: WorkspacePlace[],
  ): Promise<Map<Asked, Admission>> {
    const found = await this.findFor(tenant, places);
    const admissions = new Map<Asked, Admission>();
    const ofModels: { asked: Asked; workspace: WorkspacePlace }[] = [];
    for (const asked of all) {
      const one = found.get(asked.subjectId);
      if (!one) continue;
      const refusal = refusalOf(one) ?? (one.userId === asked.userId ? null : forAnother());
      admissions.set(asked, refusal ?? {});
      // Git costs nothing, and what was made while there was a budget shall get out.
      if (!refusal && !GIT_KINDS.has(asked.kind)) ofModels.push({ asked, workspace: one.workspace });
    }
    const budgeted = await this.budgets.admit(
      tenant,
      ofModels.map(({ asked: { subjectId, userId, kind }, workspace }) => ({
        workspaceId: subjectId,
        repository: knownRepositoryOf(workspace),
        memberId: userId,
        kind,
      })),
    );
    for (const [at, { asked }] of ofModels.entries()) {
      const said = budgeted[at];
      if (said) admissions.set(asked, said === true ? { budgeted: true } : said);
    }
    return admissions;
  }

  /** Which of these may not serve the workspace any more, whatever calls were begun with them. Throws as `lease`. */
  async withdrawn(machine: Machine, credentialIds: string[]): Promise<string[]> {
    const { organizationId, workspaceId } = machine;
    return this.database.tenant(organizationId, async (tenant) => {
      const { workspace, userId } = await this.served(tenant, workspaceId);
      const member = { organizationId, userId, organizationOnly: workspace.organizationOnly };
      const git = httpsPlaceOf(workspace);
      const uses = [{ agent: workspace.agent as Agent }, ...(git ? [gitUseOf(git, workspace)] : [])];
      let withdrawn = credentialIds;
      for (const use of uses)
        withdrawn = await this.credentials.withdrawn(tenant, { ...member, ...use }, withdrawn);
      return withdrawn;
    });
  }

  /** What the workspace's agent may reach. Throws `forbidden` when it does not run. */
  allowedHosts({ organizationId, workspaceId }: Machine): Promise<string[]> {
    return this.inTurn(organizationId, (tenant) => this.egress.hostsOf(tenant, workspaceId));
  }

  /** One look for all workspaces of the organization whose proxies ask at the moment. It holds no row: each is looked at again, held, when its lease is booked. */
  private look({ organizationId, workspaceId }: Machine): Promise<Found | undefined> {
    return this.#looks.take(organizationId, workspaceId, (ids) =>
      // Apart: it is shared, and no part of the transaction of whoever came first.
      this.database.apart(organizationId, async (tenant) =>
        this.findFor(tenant, await this.machines.placesOf(tenant, ids)),
      ),
    );
  }

  /** The workspace, held until the transaction ends, and the member it works for now. Throws as `lease`. */
  private async served(tenant: Tenant, workspaceId: string): Promise<Served> {
    const place = await this.machines.heldPlaceOf(tenant, workspaceId);
    return checked((await this.findFor(tenant, place ? [place] : [])).get(workspaceId));
  }

  /** Where they are held, it is asked behind the locks: for whom a workspace works is changed by who holds it. */
  private async findFor(tenant: Tenant, workspaces: WorkspacePlace[]): Promise<Map<string, Found>> {
    const works = await this.receipts.servedFor(tenant, workspaces);
    const userIds = [...works.values()].flatMap(({ userId }) => userId ?? []);
    const members = await this.identity.membersAmong(tenant, [...new Set(userIds)]);
    return new Map(
      workspaces.map((workspace) => {
        const { userId, cause } = works.get(workspace.id) ?? { userId: null, cause: null };
        return [workspace.id, { workspace, userId, cause, isMember: userId !== null && members.has(userId) }];
      }),
    );
  }

  async report(machine: Machine, items: ProxyReportItem[]): Promise<void> {
    await this.inTurn(machine.organizationId, async (tenant) => {
      const workspace = await this.machines.ofMachine(tenant, machine.workspaceId);
      if (!workspace) return;
      const uses: ReportedUse[] = [];
      for (const item of items) {
        const use = await this.apply(tenant, workspace, item);
        if (use) uses.push(use);
      }
      // All at once, and last: sums of budgets are what every workspace of the organization adds to.
      await this.book(tenant, workspace, uses);
    });
  }

  private async book(tenant: Tenant, workspace: LockedWorkspace, uses: ReportedUse[]): Promise<void> {
    if (uses.length === 0) return;
    const { id: workspaceId, name: workspaceName } = workspace;
    const { turnId, userId } = await this.receipts.workedFor(tenant, workspace);
    const known = await this.identity.memberInside(tenant, userId);
    const repository = knownRepositoryOf({ ...workspace, source: workspace.source as RepositorySource });
    const member = { id: userId, name: known?.name ?? null };
    await this.ledger.book(tenant, { workspaceId, workspaceName, repository, turnId, member }, uses);
  }

  private inTurn<T>(organizationId: string, work: (tenant: Tenant) => Promise<T>): Promise<T> {
    return this.#turnstile.run(organizationId, () => this.database.tenant(organizationId, work));
  }

  private async apply(
    tenant: Tenant,
    workspace: LockedWorkspace,
    item: ProxyReportItem,
  ): Promise<ReportedUse | null> {
    if (item.type === 'blocked') {
      this.metrics.count('berth_egress_blocked_total', { reason: item.reason });
      await this.receipts.blocked(tenant, workspace, item);
      return null;
    }
    const { credentialId, generation } = item;
    // Reports count by the lease that was given: a proxy cannot write a receipt for a credential it never had.
    const by = await this.credentials.servedBy(tenant, workspace.id, credentialId, generation);
    if (!by) return null;
    // What became of git is told by the runner: receipts, tokens and a turn's state are of model calls.
    const isGit = GIT_KINDS.has(by.kind);
    if (isGit && (item.type === 'served' || item.type === 'usage')) return null;
    if (item.type === 'served') await this.receipts.served(tenant, workspace, item, by);
    if (item.type === 'usage') await this.receipts.used(tenant, workspace, item);
    if (item.type === 'refused') await this.credentials.refused(tenant, item, by);
    if (item.type === 'refused' && !isGit) await this.receipts.refused(tenant, workspace, item, by);
    if (item.type === 'denied') await this.credentials.denied(tenant, item, by);
    if (item.type === 'limited') await this.credentials.limited(tenant, item, by);
    return item.type === 'usage' ? { item, scope: by.scope, kind: by.kind } : null;
  }
}

/** Why nothing may be lent there, whoever asks; null: it may. */
function refusalOf(found: Found | undefined): BerthError | null {
  if (!found || !statesWithRunner.includes(found.workspace.state as WorkspaceState)) return notRunning();
  if (!found.userId) return notReady('The next message is another member’s. Ask again once it is begun.');
  if (!found.isMember)
    return new BerthError('forbidden', 'Who asked is not a member of the organization any more.');
  return null;
}

function checked(found: Found | undefined): Served {
  const refusal = refusalOf(found);
  if (refusal) throw refusal;
  const { workspace, userId, cause } = found as Found & { userId: string };
  return { workspace, userId, cause };
}

function notRunning(): BerthError {
  return new BerthError(
    'forbidden',
    'This workspace is not running, so its agent has no credential. Wake it in Berth.',
  );
}

function forAnother(): BerthError {
  return notReady('It works for somebody else by now. Ask again.');
}

function notReady(message: string): BerthError {
  return new BerthError('not-ready', message, { retryAfterSeconds: 1 });
}

/** What a workspace may be lent something for: its own agent's provider, and the host of its own repository. */
function useOf(
  workspace: WorkspacePlace,
  upstream: LentFor,
): Pick<ServedAgent, 'agent' | 'only' | 'bedrock'> | Omit<ServedGit, 'organizationId' | 'userId'> {
  if (upstream === 'git') {
    const git = httpsPlaceOf(workspace);
    if (!git) throw noGitCredential('a repository that is not reached over https');
    return gitUseOf(git, workspace);
  }
  const agent = workspace.agent as Agent;
  // A workspace's placeholder opens its own agent's provider and no other.
  if (agentOf[upstream] !== agent) throw noCredential(agentOf[upstream]);
  const { provider, awsRegion: region } = workspace;
  return { agent, only: onlyKind[upstream], bedrock: provider === 'bedrock' ? { region } : undefined };
}

function gitUseOf({ host, ...repository }: HttpsPlace, { readOnly }: WorkspacePlace) {
  return { gitHost: host, ...repository, readOnly };
}

/** Where git goes by now, if that is not what the workspace's route was made for: the credential that is lent is for the repository, and not for who has its old name. */
function movedTo(workspace: WorkspacePlace): { repository?: string } {
  const made = httpsPlaceOf({ ...workspace, repositoryId: null })?.repository;
  const now = httpsPlaceOf(workspace)?.repository;
  return now === undefined || now === made ? {} : { repository: now };
}
