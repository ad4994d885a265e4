import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Workspaces } from '../../src/proxy/workspaces.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { startGitEmulator, type GitEmulator } from '../emulators/git.js';
import { startTestApp, type TestApp, type TestMember, type TestOrganization } from '../support/app.js';
import { figure, type Findings } from './figure.js';
import { GitTree } from './support/git-tree.js';
import { startProxyOf, StandIn } from './support/stand-in.js';

interface Ground {
  app: TestApp;
  proxy: Workspaces;
  model: AnthropicEmulator;
  git: GitEmulator;
  organization: TestOrganization;
  /** The organization's token, and the owner's own. */
  shared: string;
  owners: string;
}

interface Change {
  meanwhile(lane: Lane): Promise<unknown>;
  serves: 'own' | 'shared' | 'owners';
  /** Requests that the host refuses: only with what it ended without a word to Berth. */
  refused: 0 | 1;
}

const changes: Record<string, Change> = {
  'replaced, and the former one is ended': {
    meanwhile: async (lane) => {
      lane.ground.git.revoke(lane.own);
      await lane.setOwn();
    },
    serves: 'own',
    refused: 0,
  },
  'its host ends it': {
    meanwhile: (lane) => {
      lane.ground.git.revoke(lane.own);
      return Promise.resolve();
    },
    serves: 'shared',
    refused: 1,
  },
  'set for another host': {
    meanwhile: ({ member, own }) =>
      member.api.setCredential('user', 'git_token', { host: 'git.example', token: own }),
    serves: 'shared',
    refused: 0,
  },
  deleted: {
    meanwhile: ({ member: { api } }) =>
      api.call('DELETE', api.path('/credentials/user/git_token'), undefined, 204),
    serves: 'shared',
    refused: 0,
  },
  'who asked last is removed': {
    meanwhile: ({ ground: { organization }, member }) => {
      const { api } = organization.owner;
      return api.call('DELETE', api.path(`/members/${member.userId}`), undefined, 204);
    },
    serves: 'owners',
    refused: 0,
  },
};
const names = Object.keys(changes);

let made = 0;
function newToken(git: GitEmulator): string {
  const token = `ghp_${String((made += 1)).padStart(36, '0')}`;
  git.accept(token);
  return token;
}

/** One workspace on a private repository that sleeps while something happens to the token that serves it. */
class Lane {
  own = '';

  private constructor(
    readonly ground: Ground,
    readonly member: TestMember,
  ) {}

  async setOwn(): Promise<void> {
    this.own = newToken(this.ground.git);
    await this.member.api.setCredential('user', 'git_token', { host: 'github.com', token: this.own });
  }

  static async play(ground: Ground, name: string, round: number, findings: Findings): Promise<void> {
    const change = changes[name];
    if (!change) throw new Error(`There is no change ${name}`);
    const repository = `acme/r${round}-${names.indexOf(name)}`;
    await ground.git.createRepository(repository);
    const member = await ground.app.member(ground.organization, 'member');
    const lane = new Lane(ground, member);
    await lane.setOwn();
    // Shared, so that somebody else can wake what who is removed used last.
    const isShared = change.serves === 'owners';
    const owner = isShared ? ground.organization.owner : member;
    const standIn = await StandIn.open(ground.app, ground.proxy, ground.organization, owner, repository);
    if (isShared)
      await owner.api.call('PATCH', owner.api.path(`/workspaces/${standIn.id}`), { shared: true }, 202);
    const say = async (api: TestMember['api'], text: string): Promise<void> => {
      const { state } = await standIn.turn(api, text);
      findings.expect(state === 'completed', `${name}: the message “${text}” ${state}`);
    };
    await say(member.api, 'Good evening');
    const tree = await GitTree.clone(standIn, repository);
    await tree.push();
    await standIn.sleep(owner.api);
    await change.meanwhile(lane);
    const from = ground.git.requests.length;
    await say(owner.api, 'Good morning');
    const head = await tree.push().catch((error: unknown) => String(error));
    findings.expect(head === (await tree.pushed().catch(String)), `${name}: the push failed: ${head}`);
    lane.#check(name, change, repository, from, findings);
    await tree.close();
    await standIn.close();
  }

  #check(
    name: string,
    { serves, refused }: Change,
    repository: string,
    from: number,
    findings: Findings,
  ): void {
    const mine = this.ground.git.requests
      .slice(from)
      .filter(({ path }) => path.startsWith(`/${repository}.git/`));
    const refusals = mine.filter(({ status }) => status !== 200);
    findings.expect(refusals.length === refused, `${name}: ${refusals.length} requests were refused`);
    const token = { own: this.own, shared: this.ground.shared, owners: this.ground.owners }[serves];
    const others = mine.filter(
      ({ status, credential }) => status === 200 && credential.value !== `x-access-token:${token}`,
    );
    findings.expect(mine.length > 3 && others.length === 0, `${name}: not served by ${serves} alone`);
  }
}

figure(
  {
    id: 'F11 Git',
    scenario: `a workspace on a private repository sleeps, and meanwhile the git token that served it is changed (${names.join('; ')}); a message wakes it, and the real git pushes through the real proxy`,
    line: 'the push works, with the token that is to serve now and no other; the host refuses only what it ended without telling',
    rounds: { small: names.length, full: 60 * names.length },
    countedAt: 'the git host’s ledger: which token, with which status; the repository that is pushed to',
    time: 'real',
  },
  async (findings) => {
    const root = mkdtempSync(join(tmpdir(), 'berth-f11-git-'));
    const model = await startAnthropicEmulator();
    const git = await startGitEmulator({ root });
    git.protect('acme/*');
    const app = await startTestApp({ worker: true, githubUrl: git.url });
    const proxy = startProxyOf(app, model.url);
    try {
      const organization = await app.founded('acme');
      const { api } = organization.owner;
      const key = `sk-ant-api03-${'k'.repeat(40)}`;
      model.accept(key);
      await api.setCredential('organization', 'anthropic_api_key', { apiKey: key });
      const [shared, owners] = [newToken(git), newToken(git)];
      await api.setCredential('organization', 'git_token', { host: 'github.com', token: shared });
      await api.setCredential('user', 'git_token', { host: 'github.com', token: owners });
      const ground = { app, proxy, model, git, organization, shared, owners };
      for (let round = 0; round < findings.rounds; round += names.length)
        await Promise.all(names.map((name) => Lane.play(ground, name, round, findings)));
    } finally {
      await proxy.closeAll();
      await app.close();
      await Promise.all([model.close(), git.close()]);
      rmSync(root, { recursive: true, force: true });
    }
  },
);
