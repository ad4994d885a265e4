import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../app/log.js';
import { startGithubEmulator, type GithubEmulator } from '../../../test/emulators/github.js';
import type { GithubInstallation, GithubRepository } from '../../../test/emulators/github-world.js';
import { until } from '../../../test/emulators/until.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { writeWorkspaces } from '../../../test/support/rows.js';
import { withClient } from '../../../test/support/tables.js';
import type { Lease } from '../../contracts/index.js';
import type { Actor } from '../../identity/index.js';
import { CredentialsService, GithubApp, GithubInstallations, InstallationTokens } from '../index.js';
import { toAll } from '../testing/terms.js';

let folder: string;
let github: GithubEmulator;
let berth: TestApp;
let acme: TestOrganization;
let repository: GithubRepository;
let installed: GithubInstallation;
let logged = '';
let founded = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-installations-'));
  github = await startGithubEmulator({ root: folder });
  const organization = github.make.organization('acme', [github.make.user('alice')]);
  const app = github.make.app({ slug: 'berth-acme', owner: organization });
  repository = await github.make.repository(organization, 'app');
  await github.make.repository(organization, 'gadget');
  installed = github.make.installation(app, organization, [repository.id]);
  const log = createLog('debug', { write: (line: string) => void (logged += line) });
  berth = await startTestApp({ worker: true, log, parts: { loginEndpoints: loginEndpoints({ github }) } });
});
beforeEach(async () => {
  github.reset();
  installed.suspendedAt = null;
  acme = await berth.founded(`acme-${(founded += 1)}`);
});
afterEach(() =>
  berth.parts.database.tenant(acme.id, (tenant) => installations().untie(tenant, id(), SYSTEM)),
);
afterAll(async () => {
  await berth.close();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

const SYSTEM = { type: 'system', id: null, name: 'a test', apiKeyId: null } as const;
const id = (): string => String(installed.id);
const installations = () => berth.app.get(GithubInstallations, { strict: false });

function actorOf({ owner, id: organizationId }: TestOrganization): Actor {
  const { userId, name, email, role, apiKeyId } = owner;
  const via = { type: 'api-key', id: apiKeyId, organizationId } as const;
  return { organizationId, userId, name, email, role, via };
}

const facts = () => ({
  installationId: id(),
  accountId: String(installed.account.id),
  accountLogin: 'acme',
  accountType: 'Organization',
  selection: installed.selection,
  permissions: installed.permissions,
  suspendedAt: installed.suspendedAt === null ? null : new Date(installed.suspendedAt),
});

const tie = (organization = acme) =>
  installations().tie(
    actorOf(organization),
    facts(),
    [
      {
        repositoryId: String(repository.id),
        fullName: 'Acme/App',
        defaultBranch: 'main',
        private: true,
        archived: false,
      },
    ],
    () => Promise.resolve(),
  );

const workspace = async (): Promise<string> =>
  (await writeWorkspaces(berth.database.ownerUrl, acme.id, acme.owner.userId, 1))[0] ?? '';

function lease(workspaceId: string, more: { repository?: string; readOnly?: boolean } = {}): Promise<Lease> {
  const place = {
    gitHost: 'github.com',
    repository: 'acme/app',
    repositoryId: null,
    readOnly: false,
    ...more,
  };
  const member = { organizationId: acme.id, userId: acme.owner.userId, ...place };
  const terms = { admissions: toAll };
  return berth.app.get(CredentialsService, { strict: false }).lease(member, workspaceId, terms);
}

function tokenOf({ secret }: Lease): string {
  if (secret.kind !== 'git_token') throw new Error('not for git');
  return secret.token;
}

/** What the token may do, as GitHub knows it. */
function rightsOf(token: string) {
  const holder = github.tokens.holder(token);
  if (holder?.by !== 'installation') return null;
  return { repositories: [...(holder.repositoryIds ?? [])], permissions: holder.permissions };
}

const mints = () => github.sent.filter(({ path }) => path.endsWith('/access_tokens')).length;

describe('a token of the installation', () => {
  it('is minted once per workspace, for its one repository and for git alone, however many ask', async () => {
    await tie();
    const [one, two] = [await workspace(), await workspace()];
    const leases = await Promise.all(Array.from({ length: 20 }, () => lease(one)));
    const [token = ''] = new Set(leases.map(tokenOf));
    expect(new Set(leases.map(tokenOf)).size).toBe(1);
    expect(leases[0]?.secret).toMatchObject({ host: 'github.com', username: 'x-access-token' });
    expect(rightsOf(token)).toEqual({
      repositories: [repository.id],
      permissions: { metadata: 'read', contents: 'write' },
    });
    expect(mints()).toBe(1);
    expect(tokenOf(await lease(two))).not.toBe(token);
    const services = [`git-receive-pack`, 'git-upload-pack'].map(async (service) => {
      const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
      const url = `${github.url}/acme/app.git/info/refs?service=${service}`;
      return (await fetch(url, { headers: { authorization: `Basic ${basic}` } })).status;
    });
    expect(await Promise.all(services)).toEqual([200, 200]);
  });

  it('comes before a member’s own git token, which serves where the installation does not reach', async () => {
    await tie();
    await acme.owner.api.setCredential('user', 'git_token', { host: 'github.com', token: 'ghp_own' });
    const served = await workspace();
    expect(tokenOf(await lease(served))).toMatch(/^ghs_/);
    expect(tokenOf(await lease(served, { repository: 'acme/gadget' }))).toBe('ghp_own');
    await expect(lease(served, { repository: 'acme/gadget', readOnly: true })).rejects.toMatchObject({
      code: 'no-git-credential',
    });
  });

  it('only reads where nothing may be written', async () => {
    await tie();
    const served = await workspace();
    await withClient(berth.database.ownerUrl, (client) =>
      client.query('UPDATE workspace SET read_only = true WHERE id = $1', [served]),
    );
    const token = tokenOf(await lease(served, { readOnly: true }));
    expect(rightsOf(token)?.permissions).toEqual({ metadata: 'read', contents: 'read' });
  });

  it('is minted once more, and once, when the git host refuses it', async () => {
    await tie();
    const served = await workspace();
    const before = await lease(served);
    github.tokens.revoke(tokenOf(before));
    const credentials = berth.app.get(CredentialsService, { strict: false });
    const { credentialId, generation } = before;
    const refuse = () =>
      berth.parts.database.tenant(acme.id, async (tenant) => {
        const by = await credentials.servedBy(tenant, served, credentialId, generation);
        const report = { credentialId, generation, status: 401, errorType: null };
        if (by) await credentials.refused(tenant, report, by);
      });
    await Promise.all(Array.from({ length: 20 }, refuse));
    const after = await lease(served);
    expect(after.generation).toBe(before.generation + 1);
    expect(rightsOf(tokenOf(after))).not.toBeNull();
    expect(mints()).toBe(2);
  });

  it('is ended at GitHub when its workspace ends, or the installation is let go', async () => {
    await tie();
    const [ended, left] = [await workspace(), await workspace()];
    const [first, second] = [tokenOf(await lease(ended)), tokenOf(await lease(left))];
    await berth.app.get(InstallationTokens, { strict: false }).endOf(acme.id, ended);
    expect([rightsOf(first), rightsOf(second) === null]).toEqual([null, false]);
    await berth.parts.database.tenant(acme.id, (tenant) => installations().untie(tenant, id(), SYSTEM));
    await until('the other is ended', () => rightsOf(second) === null);
    await expect(lease(left)).rejects.toMatchObject({ code: 'no-git-credential' });
  });

  it('is ended at GitHub also where it is being minted while its workspace falls asleep', async () => {
    await tie();
    const tokens = berth.app.get(InstallationTokens, { strict: false });
    const served = await workspace();
    const move = (state: string): Promise<unknown> =>
      withClient(berth.database.ownerUrl, (client) =>
        client.query('UPDATE workspace SET state = $2 WHERE id = $1', [served, state]),
      );
    const fallAsleepWhileMinted = async (): Promise<Lease> => {
      github.fail({ mode: 'hold-after', match: { method: 'POST', path: '/api/v3/app/installations/' } });
      const asked = lease(served);
      await until('GitHub has minted', () => github.waiting === 1);
      const minted = github.tokens.minted.at(-1) ?? '';
      await move('hibernating');
      await tokens.endOf(acme.id, served);
      expect(rightsOf(minted)).not.toBeNull();
      github.release();
      await until('it is ended', () => rightsOf(minted) === null);
      const count = mints();
      const request = { organizationId: acme.id, workspaceId: served, secret: {} };
      expect(await tokens.renew({ ...request, settings: { installation: id() } })).toMatchObject({
        outcome: 'failed',
      });
      expect(mints()).toBe(count);
      await move('running');
      return asked;
    };
    // The first one, and one that takes another's place. Awake again the workspace is lent a token that serves.
    const first = await fallAsleepWhileMinted();
    expect(rightsOf(tokenOf(first))).not.toBeNull();
    await berth.parts.database.tenant(acme.id, (tenant) => tokens.mintAnew(tenant, first.credentialId));
    const second = await fallAsleepWhileMinted();
    expect([rightsOf(tokenOf(first)), rightsOf(tokenOf(second)) === null]).toEqual([null, false]);
  });
});

describe('an installation', () => {
  it('is one organization’s alone', async () => {
    await tie();
    const other = await berth.founded('other');
    await expect(tie(other)).rejects.toMatchObject({ code: 'already-connected' });
    expect(await installations().list(other.id)).toEqual([]);
    await tie();
    expect(await installations().list(acme.id)).toHaveLength(1);
  });

  it('serves nobody while it is suspended, and again under the rights it has then', async () => {
    await tie();
    const served = await workspace();
    const before = tokenOf(await lease(served));
    const update = () =>
      berth.parts.database.tenant(acme.id, (tenant) => installations().update(tenant, facts()));
    installed.suspendedAt = new Date().toISOString();
    await update();
    await expect(lease(served)).rejects.toMatchObject({ code: 'no-git-credential' });
    await expect(installations().octokitFor(acme.id, id())).rejects.toMatchObject({ code: 'not-connected' });
    installed.suspendedAt = null;
    await update();
    expect(tokenOf(await lease(served))).not.toBe(before);
  });

  it('lets Berth itself ask, for one repository, with one token until GitHub refuses it', async () => {
    await tie();
    const repositoryId = String(repository.id);
    const octokit = await installations().octokitFor(acme.id, id(), { repositoryId });
    const read = () => octokit.rest.repos.get({ owner: 'acme', repo: 'app' });
    await Promise.all([read(), read(), read()]);
    expect(mints()).toBe(1);
    const minted = github.tokens.minted.at(-1) ?? '';
    expect(rightsOf(minted)?.repositories).toEqual([repository.id]);
    github.tokens.revoke(minted);
    expect((await read()).status).toBe(200);
    expect(mints()).toBe(2);
    const call = github.requests.findLast(({ path }) => path.endsWith('/repos/acme/app'));
    expect(call?.headers).toMatchObject({ 'x-github-api-version': '2022-11-28' });
    await expect(installations().octokitFor((await berth.founded('third')).id, id())).rejects.toMatchObject({
      code: 'not-connected',
    });
  });

  it('is told of more repositories than a statement has parameters, and of some twice', async () => {
    await tie();
    const named = (n: number) => ({
      ...{ repositoryId: `${1e9 + n}`, fullName: `acme/r${n}`, defaultBranch: n % 2 ? null : 'main' },
      ...{ private: true, archived: false },
    });
    const tell = (many: ReturnType<typeof named>[]) =>
      berth.parts.database.tenant(acme.id, (tenant) => installations().setRepositories(tenant, id(), many));
    const all = Array.from({ length: 35_000 }, (_, n) => named(n));
    await tell([...all, named(0)]);
    const count = 'SELECT count(*)::int AS n FROM github_repository WHERE organization_id = $1';
    const counted = () =>
      withClient(
        berth.database.ownerUrl,
        async (client) => (await client.query<{ n: number }>(count, [acme.id])).rows,
      );
    expect(await counted()).toEqual([{ n: 35_000 }]);
    await tell(all.slice(2));
    expect(await counted()).toEqual([{ n: 34_998 }]);
  });

  it('keeps no distances in the client for who keeps them otherwise', async () => {
    await tie();
    const { endpoints } = berth.app.get(GithubApp, { strict: false });
    // As it is everywhere but in tests: three comments would take six seconds.
    endpoints.paced = true;
    try {
      const octokit = await installations().octokitFor(acme.id, id(), { isPaced: false });
      const { number } = await github.make.pull(repository, github.make.user('bob'));
      const comment = () =>
        octokit.rest.issues.createComment({ owner: 'acme', repo: 'app', issue_number: number, body: 'a' });
      const before = performance.now();
      await Promise.all([comment(), comment(), comment()]);
      expect(performance.now() - before).toBeLessThan(3_000);
    } finally {
      endpoints.paced = false;
    }
  });

  it('leaves no key and no token in a log line or in the open in the database', async () => {
    const [app] = github.world.apps.values();
    const secrets = [...github.tokens.minted, app?.pem ?? '', app?.clientSecret ?? ''];
    expect(secrets.length).toBeGreaterThan(5);
    const rows = await withClient(berth.database.ownerUrl, async (client) => {
      const { rows: tables } = await client.query<{ name: string }>(
        `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
      );
      let all = '';
      for (const { name } of tables)
        all += JSON.stringify((await client.query(`SELECT * FROM "${name}"`)).rows);
      return all;
    });
    for (const secret of secrets)
      expect([logged.includes(secret), rows.includes(secret)]).toEqual([false, false]);
  });
});
