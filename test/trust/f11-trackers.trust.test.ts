import { randomUUID } from 'node:crypto';
import { Secret } from '../../src/kernel/index.js';
import type { Workspaces } from '../../src/proxy/workspaces.js';
import { startAnthropicEmulator } from '../emulators/anthropic.js';
import { appKeys } from '../emulators/github-tokens.js';
import { API_KEY } from '../support/bench.js';
import { eventually } from '../support/eventually.js';
import { figure, type Findings } from './figure.js';
import { GitTree } from './support/git-tree.js';
import { Receiving, type Tracked } from './support/receiving.js';
import { startProxyOf, StandIn } from './support/stand-in.js';

interface Ground {
  receiving: Receiving;
  proxy: Workspaces;
}

/** What happens at a tracker while a workspace sleeps that began there. */
interface Change {
  by: 'linear' | 'github';
  meanwhile(lane: Lane): Promise<unknown>;
}

/** A short run plays the first of them. */
const changes: Record<string, Change> = {
  'all at once: Linear’s token, the App’s key and the installation’s tokens': {
    by: 'linear',
    meanwhile: async (lane) => {
      await lane.revokeAtLinear();
      lane.changeKey();
      await lane.revokeAtGithub();
    },
  },
  'the app is removed at Linear, and connected again': {
    by: 'linear',
    meanwhile: async (lane) => {
      const { linear } = lane.ground.receiving;
      await linear.removeApp(lane.tracked.there);
      await eventually('it is disconnected', async () => !(await lane.isConnected()));
      await lane.connectLinear();
    },
  },
  'the installation is suspended, and let be again': {
    by: 'github',
    meanwhile: async (lane) => {
      const { installation } = lane.tracked;
      installation.suspendedAt = new Date().toISOString();
      await lane.tellOfInstallation('suspend');
      installation.suspendedAt = null;
      await lane.tellOfInstallation('unsuspend');
    },
  },
  'Linear revokes it': { by: 'linear', meanwhile: (lane) => lane.revokeAtLinear() },
  'Linear’s token runs out': { by: 'linear', meanwhile: (lane) => lane.runOut() },
  'it runs out, and the answer to its renewal is lost': {
    by: 'linear',
    meanwhile: async (lane) => {
      const { refreshToken } = lane.tracked;
      const match = { grant: 'refresh_token', refreshToken };
      lane.ground.receiving.linear.fail({ mode: 'lost-answer', match });
      await lane.runOut();
    },
  },
  'Linear is connected once more over it': { by: 'linear', meanwhile: (lane) => lane.connectLinear() },
  'Linear is disconnected in Berth, and connected again': {
    by: 'linear',
    meanwhile: async (lane) => {
      const { api } = lane.tracked.organization.owner;
      await api.call('DELETE', api.path('/integrations/linear'), undefined, 204);
      await lane.connectLinear();
    },
  },
  'GitHub revokes every token of the installation': {
    by: 'github',
    meanwhile: (lane) => lane.revokeAtGithub(),
  },
  'the repository is taken out of the installation, and put in again': {
    by: 'github',
    meanwhile: async (lane) => {
      const { installation, repository, annAtGithub } = lane.tracked;
      const { events } = lane.ground.receiving.github.github;
      installation.repositoryIds.delete(repository.id);
      await lane.tellGithub(
        'installation_repositories',
        events.installationRepositories(installation, { removed: [repository] }, annAtGithub),
      );
      installation.repositoryIds.add(repository.id);
      await lane.tellGithub(
        'installation_repositories',
        events.installationRepositories(installation, { added: [repository] }, annAtGithub),
      );
    },
  },
  'the App gets another key': {
    by: 'github',
    meanwhile: async (lane) => {
      lane.changeKey();
      await lane.revokeAtGithub();
    },
  },
};
const names = Object.keys(changes);

/** A browser is signed in at one Linear at a time. */
let browsing: Promise<unknown> = Promise.resolve();

/** A workspace that began at a tracker, and sleeps while something happens to what serves it there. */
class Lane {
  #conversation!: Conversation;

  private constructor(
    readonly ground: Ground,
    readonly tracked: Tracked,
    private readonly note: (holds: boolean, what: string) => void,
  ) {}

  static async play(ground: Ground, name: string, findings: Findings): Promise<void> {
    const change = changes[name];
    if (!change) throw new Error(`There is no change ${name}`);
    const tracked = await ground.receiving.track();
    const note = (holds: boolean, what: string): void => findings.expect(holds, `${name}: ${what}`);
    const lane = new Lane(ground, tracked, note);
    lane.#conversation = await conversations[change.by](ground.receiving, tracked);
    const { organization } = tracked;
    const { receiving, proxy } = ground;
    const standIn = await StandIn.at(receiving.first, proxy, organization, await lane.#workspace());
    const repository = `${tracked.there.urlKey}/widget`;
    const tree = await GitTree.clone(standIn, repository, lane.#conversation.branch);
    await lane.#turn(standIn, tree, 'before it slept');
    await standIn.sleep(organization.owner.api);
    await change.meanwhile(lane);
    await lane.#conversation.say('And now the tests.');
    await lane.#turn(standIn, tree, 'after it');
    await tree.close();
    await standIn.close();
  }

  /** Its answer is read where it was asked for, and what it made is at the repository. */
  async #turn(standIn: StandIn, tree: GitTree, when: string): Promise<void> {
    const answer = `Done, says ${randomUUID()}.`;
    await standIn.work(answer);
    const isSaid = (): boolean => this.#conversation.said().some((text) => text.includes(answer));
    const seen = await eventually('the answer is there', isSaid, ANSWER_SECONDS).then(
      () => true,
      () => false,
    );
    this.note(seen, `the answer ${when} was not given`);
    const head = await tree.push().catch((error: unknown) => String(error));
    const pushed = await tree.pushed().catch(String);
    this.note(head === pushed, `the push ${when} failed: ${head}`);
  }

  async #workspace(): Promise<string> {
    let id = '';
    await eventually('the workspace is there', async () => {
      const [row] = await this.#sql('SELECT id FROM workspace WHERE organization_id = $1');
      id = typeof row?.id === 'string' ? row.id : '';
      return id !== '';
    });
    return id;
  }

  async runOut(): Promise<void> {
    await this.#sql(
      `UPDATE credential SET expires_at = now(), renew_at = now() - interval '1 minute'
        WHERE organization_id = $1 AND kind = 'linear_app'`,
    );
  }

  revokeAtLinear(): Promise<void> {
    const { linear } = this.ground.receiving;
    const { there } = this.tracked;
    for (const { id } of linear.logins.book.lineages)
      for (const token of linear.logins.book.tokensOf(id))
        if (linear.logins.grantOf(token)?.organizationId === there.id) linear.logins.book.revokeLiving(id);
    return Promise.resolve();
  }

  async isConnected(): Promise<boolean> {
    return (await this.#sql('SELECT 1 FROM linear_connection WHERE organization_id = $1')).length > 0;
  }

  /** As an admin does it: the link is opened in a browser, where they are signed in at Linear. */
  async connectLinear(): Promise<void> {
    const { there, organization } = this.tracked;
    const { linear } = this.ground.receiving;
    const { api } = organization.owner;
    const path = api.path('/integrations/linear/connect');
    const { url } = (await api.call<{ url: string }>('POST', path, undefined, 201)).body;
    const admin = [...there.users.values()].find((user) => user.admin);
    const browse = async (): Promise<void> => {
      if (admin) linear.signIn(there, admin);
      const page = await fetch(url);
      if (!page.ok) throw new Error(`Connecting ended with ${page.status}: ${await page.text()}`);
    };
    browsing = browsing.then(browse);
    await browsing;
  }

  /** Those that were seen in calls to its repository, by git and by the API. */
  revokeAtGithub(): Promise<void> {
    const { github } = this.ground.receiving.github;
    const mine = github.requests.filter(({ path }) => path.includes(`/${this.tracked.there.urlKey}/widget`));
    const tokens = mine.map(({ credential }) => credential.value.split(':').at(-1) ?? '');
    for (const token of new Set(tokens)) github.tokens.revoke(token);
    return Promise.resolve();
  }

  changeKey(): void {
    const { app } = this.ground.receiving.github;
    const { pem, publicKeyPem } = appKeys();
    Object.assign(app, { pem, publicKeyPem });
    const known = this.ground.receiving.first.parts.loginEndpoints.github.app;
    if (known) Object.assign(known, { privateKey: new Secret(pem) });
  }

  tellOfInstallation(action: string): Promise<void> {
    const { installation, annAtGithub } = this.tracked;
    const { events } = this.ground.receiving.github.github;
    return this.tellGithub('installation', events.installation(installation, action, annAtGithub));
  }

  /** Tells it, and waits until it is handled. */
  async tellGithub(event: string, body: object): Promise<void> {
    const { hooks } = this.ground.receiving.github.github;
    const { guid } = await hooks.deliver(event, body);
    await eventually(`${event} is handled`, async () => {
      const rows = await this.#sql(
        `SELECT 1 FROM delivery WHERE organization_id = $1 AND delivery_id = $2 AND state = 'processed'`,
        guid,
      );
      return rows.length > 0;
    });
  }

  #sql(text: string, ...more: unknown[]): Promise<Record<string, unknown>[]> {
    return this.ground.receiving.sql(text, [this.tracked.organization.id, ...more]);
  }
}

const ANSWER_SECONDS = 30;

/** Where a person and Berth talk. */
interface Conversation {
  /** The branch that is worked on, where it is not the workspace's own. */
  branch?: string;
  say(text: string): Promise<unknown>;
  /** What Berth said there, as it can be read now. */
  said(): string[];
}

const conversations: Record<Change['by'], (receiving: Receiving, tracked: Tracked) => Promise<Conversation>> =
  {
    linear: async ({ linear }, { there, team, ann }) => {
      const issue = there.addIssue(team.id, { title: 'Something to do' });
      const { session } = await linear.delegate(there, issue, ann);
      return {
        say: (text) => linear.prompt(there, session, ann, text),
        said: () =>
          there
            .activitiesOf(session.id)
            .filter(({ content }) => content.type === 'response')
            .map(({ content }) => String(content.body)),
      };
    },
    github: async ({ github: { github, app } }, { repository, annAtGithub }) => {
      const branch = 'feature';
      const { number } = await github.make.pull(repository, annAtGithub, { head: branch });
      const say = (text: string): Promise<unknown> => {
        const comment = github.make.comment(repository, number, annAtGithub, `@${app.slug} ${text}`);
        return github.hooks.deliver('issue_comment', github.events.issueComment(repository, comment));
      };
      await say('rename the handler');
      return {
        branch,
        say,
        said: () => repository.comments.filter(({ user }) => user.id === app.bot.id).map(({ body }) => body),
      };
    },
  };

figure(
  {
    id: 'F11 trackers',
    scenario: `a workspace that an issue at Linear or a mention at GitHub started sleeps, and meanwhile what serves it there is changed (${names.join('; ')}); a further word there wakes it, a client stands in for the agent, and the real git pushes through the real proxy`,
    line: 'the first word after it is answered where it was written, and the push works',
    rounds: { small: 4, full: 6 * names.length },
    countedAt:
      'answers at the emulated Linear and GitHub; the repository that is pushed to, which takes no token that was ended',
    time: 'real',
  },
  async (findings) => {
    const model = await startAnthropicEmulator();
    model.accept(API_KEY);
    const receiving = await Receiving.start({ replicas: 1 });
    const proxy = startProxyOf(receiving.first, model.url);
    receiving.listen();
    try {
      for (let played = 0; played < findings.rounds; played += names.length) {
        const some = names.slice(0, findings.rounds - played);
        await Promise.all(some.map((name) => Lane.play({ receiving, proxy }, name, findings)));
      }
    } finally {
      await proxy.closeAll();
      await receiving.close();
      await model.close();
    }
  },
);
