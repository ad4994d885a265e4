import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Workspaces } from '../../src/proxy/workspaces.js';
import { startGitEmulator, type GitEmulator } from '../emulators/git.js';
import { startTestApp, type TestApp, type TestMember, type TestOrganization } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { GitTree } from './support/git-tree.js';
import { startProxyOf, StandIn } from './support/stand-in.js';

/** Git's part of F26. Seen to fail: without `calls.begin` in `GitCall`, a fetch goes on until its host answers. */

const CUT_SECONDS = 10;
const REFUSED_SECONDS = 5;

const removals = ['the member', 'the credential', 'the consent'] as const;
type Removal = (typeof removals)[number];
/** Proxies are told at once; what is told may be lost. */
const ways = playsInFull ? (['told', 'lost'] as const) : (['told'] as const);
type Way = 'told' | 'lost';

interface Ground {
  app: TestApp;
  git: GitEmulator;
  proxies: Record<Way, Workspaces>;
}

let made = 0;
const newToken = (): string => `ghp_${String((made += 1)).padStart(36, '0')}`;
const secondsSince = (begun: number): number => (performance.now() - begun) / 1000;

/** Who works, with the token that serves them: their own, or the organization's in place of one that the host refuses. */
async function equip(
  { git }: Ground,
  organization: TestOrganization,
  member: TestMember,
  removal: Removal,
): Promise<string> {
  const [serves, other] = [newToken(), newToken()];
  git.accept(serves);
  const isOwn = removal !== 'the consent';
  const set = (scope: 'user' | 'organization', token: string, { api }: TestMember) =>
    api.setCredential(scope, 'git_token', { host: 'github.com', token });
  await set('user', isOwn ? serves : other, member);
  if (!isOwn) await set('organization', serves, organization.owner);
  const apiKey = `sk-ant-api03-${'k'.repeat(40)}`;
  await organization.owner.api.setCredential('organization', 'anthropic_api_key', { apiKey });
  return serves;
}

async function takeAway({ owner }: TestOrganization, member: TestMember, removal: Removal): Promise<void> {
  const { api } = owner;
  if (removal === 'the member')
    await api.call('DELETE', api.path(`/members/${member.userId}`), undefined, 204);
  if (removal === 'the credential')
    await member.api.call('DELETE', member.api.path('/credentials/user/git_token'), undefined, 204);
  if (removal === 'the consent')
    await api.call('PUT', api.path('/credential-policy'), { organizationFallback: false }, 200);
}

/** A workspace whose git fetches from a host that takes its time. */
class Fetch {
  private constructor(
    private readonly standIn: StandIn,
    readonly tree: GitTree,
    readonly token: string,
    readonly ended: Promise<unknown>,
  ) {}

  static async begin(
    ground: Ground,
    way: Way,
    organization: TestOrganization,
    member: TestMember,
    removal: Removal,
  ): Promise<Fetch> {
    const token = await equip(ground, organization, member, removal);
    const repository = `acme/r${token.slice(-6)}`;
    await ground.git.createRepository(repository);
    const standIn = await StandIn.open(ground.app, ground.proxies[way], organization, member, repository);
    const tree = await GitTree.clone(standIn, repository);
    const path = `/${repository}.git/git-upload-pack`;
    ground.git.fail({ mode: 'hang', match: { path } });
    const ended = tree.git('fetch').catch((error: unknown) => error);
    await eventually('the fetch is under way', () =>
      ground.git.requests.some((request) => request.path === path && request.status === null),
    );
    return new Fetch(standIn, tree, token, ended);
  }

  async close(): Promise<void> {
    await this.standIn.close();
    await this.ended;
    await this.tree.close();
  }
}

async function lose(
  ground: Ground,
  slug: string,
  removal: Removal,
  way: Way,
  findings: Findings,
): Promise<void> {
  const name = `${slug}: ${removal}, ${way}`;
  const organization = await ground.app.founded(slug);
  const member = await ground.app.member(organization, 'member');
  const fetch = await Fetch.begin(ground, way, organization, member, removal);
  const [at, wallAt] = [performance.now(), Date.now()];
  await takeAway(organization, member, removal);
  const cut = Promise.race([
    fetch.ended.then(() => secondsSince(at)),
    new Promise<number>((resolve) => setTimeout(resolve, CUT_SECONDS * 1000, CUT_SECONDS * 2).unref()),
  ]);
  let refused = false;
  while (!refused && secondsSince(at) < CUT_SECONDS)
    refused = await fetch.tree.git('ls-remote', 'origin').then(
      () => false,
      () => true,
    );
  const seconds = secondsSince(at);
  findings.expect(refused && seconds <= REFUSED_SECONDS, `${name}: git went on for ${seconds} s`);
  findings.expect((await cut) <= CUT_SECONDS, `${name}: the fetch was not cut`);
  const late = ground.git.requests.filter(
    (request) =>
      request.credential.value.endsWith(fetch.token) &&
      Date.parse(request.at) > wallAt + REFUSED_SECONDS * 1000,
  );
  findings.expect(late.length === 0, `${name}: the host was asked ${late.length} times with it later`);
  findings.number(`longest until refused, ${way}, s`, longest(`refused ${way}`, seconds));
  findings.number(`longest until cut, ${way}, s`, longest(`cut ${way}`, await cut));
  await fetch.close();
}

const seen = new Map<string, number>();
function longest(what: string, seconds: number): number {
  seen.set(what, Math.max(seen.get(what) ?? 0, Math.round(seconds * 100) / 100));
  return seen.get(what) ?? 0;
}

figure(
  {
    id: 'F26 Git',
    scenario:
      'the member, the git token, or the organization’s consent to serve in its place is removed while the real git fetches through the real proxy; the proxy is told, or what it was told is lost',
    line: 'the next git call is refused within 5 s, the one under way is cut within 10 s, that of another tenant goes on',
    rounds: { small: 1, full: 20 },
    countedAt: 'the end of git, the git host’s ledger',
    time: 'real',
  },
  async (findings) => {
    const root = mkdtempSync(join(tmpdir(), 'berth-f26-git-'));
    const git = await startGitEmulator({ root });
    git.protect('acme/*');
    const app = await startTestApp({ githubUrl: git.url });
    const nowhere = 'http://127.0.0.1:9';
    const proxies = { told: startProxyOf(app, nowhere), lost: startProxyOf(app, nowhere) };
    app.runtime.forget = (credentialId) => proxies.told.forget(credentialId);
    const ground = { app, git, proxies };
    try {
      for (let round = 0; round < findings.rounds; round++) {
        const other = await app.founded(`bystander-${round}`);
        const theirs = await Fetch.begin(ground, 'told', other, other.owner, 'the credential');
        let ended = false;
        void theirs.ended.then(() => (ended = true));
        const losses = removals.flatMap((removal, at) =>
          ways.map((way) => lose(ground, `r${round}-${at}-${way}`, removal, way, findings)),
        );
        await Promise.all(losses);
        findings.expect(!ended, `round ${round}: the fetch of another tenant was cut`);
        await theirs.close();
        git.reset();
      }
      findings.tried = findings.rounds * removals.length * ways.length;
    } finally {
      await Promise.all([proxies.told.closeAll(), proxies.lost.closeAll()]);
      await app.close();
      await git.close();
      rmSync(root, { recursive: true, force: true });
    }
  },
);
