import { randomUUID } from 'node:crypto';
import { startGithubGround, type GithubGround } from '../../../../test/emulators/github-ground.js';
import type { GithubRepository } from '../../../../test/emulators/github-world.js';
import { loginEndpoints } from '../../../../test/support/app.js';
import { Bench, type PlayedWorkspace } from '../../../../test/support/bench.js';
import { tieAccount } from '../../../../test/support/connections.js';
import { eventually } from '../../../../test/support/eventually.js';
import type {
  BudgetView,
  DeliveryView,
  GithubIntegration,
  Lease,
  MappingView,
} from '../../../contracts/index.js';
import { GithubInstallations } from '../../../credentials/index.js';
import { systemClock } from '../../../kernel/index.js';

let ground: GithubGround;
let bench: Bench;

beforeAll(async () => {
  ground = await startGithubGround();
  ground.installation.selection = 'all';
  bench = await Bench.start({
    ...{ worker: true, clock: systemClock },
    parts: { loginEndpoints: loginEndpoints({ github: ground.github }) },
  });
  ground.app.hookUrl = `${bench.app.url}/webhooks/github`;
  const { organization, owner } = bench;
  const asker = { organizationId: organization.id, userId: owner.userId };
  const { id, account, permissions, selection } = ground.installation;
  await bench.app.app.get(GithubInstallations, { strict: false }).tie(
    {
      ...asker,
      ...{ name: owner.name, email: owner.email, role: owner.role },
      via: { type: 'api-key', id: owner.apiKeyId, organizationId: organization.id },
    },
    {
      ...{ installationId: String(id), accountId: String(account.id), accountLogin: account.login },
      ...{ accountType: account.type, selection, permissions, suspendedAt: null },
    },
    [],
    () => Promise.resolve(),
  );
  await tieAccount(bench.app.database.ownerUrl, asker, {
    system: 'github',
    externalId: String(ground.alice.id),
  });
  await told('edited', ground.widget);
});
afterAll(async () => {
  await bench.close();
  await ground.close();
});

/** GitHub tells of a repository, signed, and it is handled. */
async function told(action: string, repository: GithubRepository, oldName?: string): Promise<void> {
  const { github, alice } = ground;
  const body = github.events.repository(repository, action, alice, oldName);
  const { guid, statusCode } = await github.hooks.deliver('repository', body);
  expect(statusCode).toBe(200);
  expect(await handled(guid)).toMatchObject({ outcome: 'repositories-updated' });
}

async function handled(guid: string): Promise<DeliveryView> {
  let found: DeliveryView | undefined;
  await eventually('handled', async () => {
    const { items } = (await bench.api.get<{ items: DeliveryView[] }>(bench.api.path('/deliveries'))).body;
    found = items.find(({ deliveryId, state }) => deliveryId === guid && state === 'processed');
    return found !== undefined;
  });
  if (!found) throw new Error('not handled');
  return found;
}

const make = (name: string): Promise<GithubRepository> => ground.github.make.repository(ground.acme, name);
const columnOf = async (id: string, name: string): Promise<unknown> =>
  (await bench.sql(`SELECT ${name} AS it FROM workspace WHERE id = $1`, [id]))[0]?.it;
const mapping = async (id: string): Promise<MappingView> =>
  (await bench.api.get<MappingView>(bench.api.path(`/mappings/${id}`))).body;

const lend = ({ proxy }: PlayedWorkspace): Promise<Lease> => proxy.lease('git');
const tokenOf = ({ secret }: Lease): string => ('host' in secret ? secret.token : '');
function rightsOf(lease: Lease): number[] | null {
  const holder = ground.github.tokens.holder(tokenOf(lease));
  return holder?.by === 'installation' ? [...(holder.repositoryIds ?? [])] : null;
}
/** As git would, with what was lent. */
async function pushesTo(fullName: string, lease: Lease): Promise<number> {
  const basic = Buffer.from(`x-access-token:${tokenOf(lease)}`).toString('base64');
  const url = `${ground.github.url}/${fullName}.git/info/refs?service=git-receive-pack`;
  return (await fetch(url, { headers: { authorization: `Basic ${basic}` } })).status;
}

it('keeps workspaces and mappings with their repository, and away from who has its name now', async () => {
  const before = await make('before');
  await told('created', before);
  const made = await bench.api.post<MappingView>(
    bench.api.path('/mappings'),
    { linearTeamKey: 'ENG', repository: 'acme/before' },
    201,
  );
  const played = await bench.running({ repository: 'https://github.com/Acme/Before.git' });
  const first = await lend(played);
  expect([rightsOf(first), first.repository]).toEqual([[before.id], undefined]);

  // Nobody has told us of it yet: what is lent is good for the one repository, and for nothing at the other.
  await ground.github.make.rename(before, 'after');
  const taker = await make('before');
  const second = await lend(played);
  expect(rightsOf(second)).toEqual([before.id]);
  expect(await pushesTo('acme/before', second)).toBe(404);
  expect(await pushesTo('acme/after', second)).toBe(200);

  await told('renamed', before, 'before');
  const third = await lend(played);
  expect([rightsOf(third), third.repository]).toEqual([[before.id], 'acme/after']);
  expect(await bench.api.workspace(played.id)).toMatchObject({ repository: 'acme/after' });
  expect(await mapping(made.body.id)).toMatchObject({ repository: 'acme/after' });

  // Who asks for the name from now on means the one that has it.
  const other = await bench.running({ repository: 'acme/before' });
  const fourth = await lend(other);
  expect([rightsOf(fourth), fourth.repository]).toEqual([[taker.id], undefined]);
  expect(await columnOf(other.id, 'repository_id')).toBe(String(taker.id));
});

/** A model call of a hundred tokens. */
async function calls({ proxy }: PlayedWorkspace): Promise<void> {
  const { credentialId, generation } = await proxy.lease();
  const tokens = { inputTokens: 60, outputTokens: 40, cacheReadTokens: 0, cacheWriteTokens: 0 };
  const model = 'claude-sonnet-4-6';
  await proxy.report({ id: randomUUID(), type: 'usage', credentialId, generation, model, ...tokens });
}
const working = (repository: string): Promise<PlayedWorkspace> =>
  bench.running({ repository, message: 'work' });
const budgetOf = async (subject: string, limitTokens: number): Promise<() => Promise<BudgetView>> => {
  const terms = { scope: 'repository', subject, limitTokens, period: 'total' };
  const { id } = (await bench.api.post<BudgetView>(bench.api.path('/budgets'), terms, 201)).body;
  return async () => (await bench.api.get<BudgetView>(bench.api.path(`/budgets/${id}`))).body;
};

it('counts in one budget what a repository uses under both its names, and nothing of who has its name now', async () => {
  const counted = await make('counted');
  await told('created', counted);
  const budget = await budgetOf('acme/counted', 300);
  const before = await working('acme/counted');
  await calls(before);
  await ground.github.make.rename(counted, 'recounted');
  await make('counted');
  await told('renamed', counted, 'counted');
  const [after, other] = [await working('acme/recounted'), await working('acme/counted')];
  for (const each of [after, other, other]) await calls(each);
  const shown = await budget();
  expect(shown).toMatchObject({ subject: 'github.com/acme/recounted', used: { tokens: 200, calls: 2 } });
  const { id, scope, period, limitTokens } = shown;
  const anew = { scope, period, limitTokens, subject: 'acme/recounted' };
  await bench.api.call('PUT', bench.api.path(`/budgets/${id}`), anew, 200);
  expect(await budget()).toMatchObject({ used: { tokens: 200, calls: 2 } });
  await calls(before);
  for (const each of [before, after])
    expect(await each.proxy.tryLease()).toMatchObject({ status: 403, body: { code: 'budget-spent' } });
  expect((await other.proxy.lease()).budgeted).toBeUndefined();
});

it('knows of which repository a budget is from the first call of it, where it was set before the App', async () => {
  const early = await make('early');
  const budget = await budgetOf('https://github.com/Acme/early.git', 1000);
  const played = await working('Acme/early');
  await calls(played);
  await told('created', early);
  expect(rightsOf(await lend(played))).toEqual([early.id]);
  await calls(played);
  await ground.github.make.rename(early, 'soon');
  await told('renamed', early, 'early');
  await calls(await working('acme/soon'));
  expect(await budget()).toMatchObject({ subject: 'github.com/acme/soon', used: { calls: 3 } });
});

it('lends nothing, not even a token of a person, for a name that is another’s once its own repository is out of reach', async () => {
  const lost = await make('lost');
  await told('created', lost);
  await bench.api.setCredential('user', 'git_token', { host: 'github.com', token: 'ghp_own' });
  const played = await bench.running({ repository: 'acme/lost' });
  expect(rightsOf(await lend(played))).toEqual([lost.id]);
  // Given to another account, where the App is not installed.
  lost.owner = ground.mallory;
  await told('transferred', ground.widget);
  expect(tokenOf(await lend(played))).toBe('ghp_own');
  await make('lost');
  await told('created', ground.widget);
  expect(await played.proxy.tryLease('git')).toMatchObject({
    status: 409,
    body: { code: 'no-git-credential' },
  });
  expect(tokenOf(await lend(await bench.running({ repository: 'acme/lost' })))).toMatch(/^ghs_/);
});

it('is of the repository of its first token, where it was there before the App', async () => {
  const late = await make('late');
  const played = await bench.running({ repository: 'acme/late' });
  expect(await columnOf(played.id, 'repository_id')).toBeNull();
  await told('created', late);
  expect(rightsOf(await lend(played))).toEqual([late.id]);
  expect(await columnOf(played.id, 'repository_id')).toBe(String(late.id));
});

it('hears a mention where it was said, and answers there, whatever the repository is called by then', async () => {
  const { github, alice } = ground;
  const here = await make('here');
  await told('created', here);
  const [pull, other] = [await github.make.pull(here, alice), await make('elsewhere')];
  const mention = async (repository: GithubRepository, number: number): Promise<DeliveryView> => {
    const comment = github.make.comment(repository, number, alice, '@berth-acme please');
    const { guid } = await github.hooks.deliver(
      'issue_comment',
      github.events.issueComment(repository, comment),
    );
    return handled(guid);
  };
  const first = await mention(here, pull.number);
  expect(first.outcome).toBe('started');
  expect(await columnOf(first.workspaceId ?? '', 'repository_id')).toBe(String(here.id));
  await github.make.rename(here, 'there');
  await github.make.rename(other, 'here');
  // Not told yet: who asks under the old name is not let in, and it is looked up.
  const second = await mention(here, pull.number);
  expect([second.outcome, second.workspaceId]).toEqual(['continued', first.workspaceId]);
  await told('renamed', here, 'here');
  // The same number in the one that has the name now is another conversation.
  const theirs = await github.make.pull(other, alice, { number: pull.number });
  const third = await mention(other, theirs.number);
  expect(third.outcome).toBe('started');
  expect(third.workspaceId).not.toBe(first.workspaceId);
  expect(await columnOf(third.workspaceId ?? '', 'repository_id')).toBe(String(other.id));
  await eventually('answered', () => here.comments.some(({ app }) => app !== null));
});

it('ends what was lent when the workspace goes to sleep, and mints anew when it wakes', async () => {
  const { github } = ground;
  const played = await bench.running({ repository: 'acme/widget' });
  const before = await lend(played);
  await bench.hibernate(played.id);
  await bench.reconcile(played.id);
  expect(await bench.state(played.id)).toBe('hibernated');
  expect(rightsOf(before)).toBeNull();
  expect(github.tokens.revoked).toContain(tokenOf(before));
  const kept = 'SELECT 1 FROM minted_token WHERE workspace_id = $1 AND sealed IS NOT NULL';
  expect(await bench.sql(kept, [played.id])).toEqual([]);
  await bench.wake(played.id);
  const woken = await bench.started(played.id, 2);
  await woken.runner.start();
  const after = await lend(woken);
  expect(rightsOf(after)).toEqual([ground.widget.id]);
  expect(tokenOf(after)).not.toBe(tokenOf(before));
  // GitHub being down keeps nobody awake; the token ends by itself.
  github.fail({ status: 502, match: { path: '/api/v3/installation/token' } });
  await bench.hibernate(played.id);
  await bench.reconcile(played.id);
  expect(await bench.state(played.id)).toBe('hibernated');
});

it('follows its installation by signed deliveries, whichever of them comes, and each once more', async () => {
  const { github, installation, alice } = ground;
  const shown = async () =>
    (await bench.api.get<GithubIntegration>(bench.api.path('/integrations/github'))).body.installations[0];
  const tell = async (event: string, body: unknown): Promise<void> => {
    const delivery = await github.hooks.deliver(event, body);
    await handled(delivery.guid);
    expect((await github.hooks.redeliver(delivery)).statusCode).toBe(200);
  };
  const of = (action: string) => github.events.installation(installation, action, alice);
  await bench.api.setCredential('user', 'git_token', { host: 'github.com', token: 'ghp_own' });
  const extra = await make('extra');
  await tell(
    'installation_repositories',
    github.events.installationRepositories(installation, { added: [extra] }, alice),
  );
  const played = await bench.running({ repository: 'acme/extra' });
  expect(rightsOf(await lend(played))).toEqual([extra.id]);

  installation.suspendedAt = new Date().toISOString();
  await tell('installation', of('suspend'));
  expect((await shown())?.suspendedAt).not.toBeNull();
  expect(tokenOf(await lend(played))).toBe('ghp_own');
  // What was told before comes late, and says what is so no more.
  await tell('installation', of('created'));
  expect((await shown())?.suspendedAt).not.toBeNull();
  installation.suspendedAt = null;
  await tell('installation', of('unsuspend'));
  expect((await shown())?.suspendedAt).toBeNull();
  expect(rightsOf(await lend(played))).toEqual([extra.id]);

  const { permissions } = installation;
  installation.permissions = { ...permissions, checks: 'read' };
  await tell('installation', of('new_permissions_accepted'));
  expect((await shown())?.missingPermissions).toEqual(['checks']);
  installation.permissions = permissions;
  installation.selection = 'selected';
  installation.repositoryIds = new Set([ground.widget.id]);
  await tell(
    'installation_repositories',
    github.events.installationRepositories(installation, { removed: [extra] }, alice),
  );
  await expect(lend(played)).resolves.toMatchObject({ secret: { token: 'ghp_own' } });

  // Nobody but GitHub can say any of it.
  const forged = await github.hooks.deliver('installation', of('deleted'), { secret: 'a guess' });
  expect(forged.statusCode).toBe(401);
  expect(await shown()).toBeDefined();
  const gone = of('deleted');
  github.world.installations.delete(installation.id);
  await tell('installation', gone);
  expect(await shown()).toBeUndefined();
});
