import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGithubEmulator, type GithubEmulator } from '../emulators/github.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubOrganization,
  GithubRepository,
  GithubUser,
} from '../emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../emulators/linear.js';
import type { LinearOrganization, LinearTeam, LinearUser } from '../emulators/linear-world.js';
import type { Api } from './api.js';
import { Cluster, type ClusterOptions } from './cluster.js';

/** An organization that is connected to both; Ada owns it, and is known at both. She has no credential of an agent, so that what she asks for is answered, and no agent begins. */
export interface ToldOrganization {
  api: Api;
  github: { owner: GithubOrganization; repository: GithubRepository; installation: GithubInstallation };
  linear: { organization: LinearOrganization; team: LinearTeam; ada: LinearUser };
}

/** What was asked for. */
export interface AskedFor {
  /** When it was noticed where it was asked; null: not yet. */
  noticedAt: () => number | null;
}

/** A Berth of several processes beside a whole GitHub and a whole Linear in this one, with several organizations that their admin connected to both. */
export class ToldCluster {
  readonly organizations: ToldOrganization[] = [];

  private constructor(
    readonly cluster: Cluster,
    readonly github: GithubEmulator,
    readonly linear: LinearEmulator,
    readonly app: GithubApp,
    private readonly ada: GithubUser,
    private readonly folder: string,
  ) {}

  static async start(organizations: number, options: ClusterOptions = {}): Promise<ToldCluster> {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-told-'));
    const github = await startGithubEmulator({ root: folder });
    const ada = github.make.user('ada');
    const app = github.make.app({ slug: 'berth-acme', owner: github.make.organization('makers', [ada]) });
    const linear = await startLinearEmulator();
    const cluster = await Cluster.start({
      ...options,
      environment: {
        BERTH_GITHUB_URL: github.url,
        BERTH_GITHUB_API_URL: github.apiUrl,
        GITHUB_APP_ID: String(app.id),
        GITHUB_APP_SLUG: app.slug,
        GITHUB_APP_PRIVATE_KEY: app.pem,
        GITHUB_APP_CLIENT_ID: app.clientId,
        GITHUB_APP_CLIENT_SECRET: app.clientSecret,
        GITHUB_WEBHOOK_SECRET: app.webhookSecret ?? '',
        BERTH_LINEAR_API_URL: linear.url,
        BERTH_LINEAR_AUTH_URL: linear.url,
        LINEAR_CLIENT_ID: linear.app.clientId,
        LINEAR_CLIENT_SECRET: linear.app.clientSecret,
        LINEAR_WEBHOOK_SECRET: linear.app.webhookSecret,
        ...options.environment,
      },
    });
    const told = new ToldCluster(cluster, github, linear, app, ada, folder);
    const { url } = cluster.api;
    app.hookUrl = `${url}/webhooks/github`;
    app.callbackUrls.push(`${url}/oauth/github/callback`);
    linear.webhooks.url = `${url}/webhooks/linear`;
    try {
      for (let at = 0; at < organizations; at++) await told.add(at);
      return told;
    } catch (error) {
      await told.close();
      throw error;
    }
  }

  /** She gives an issue to Berth in Linear. Resolves when its delivery was answered. */
  async delegate({ linear }: ToldOrganization): Promise<AskedFor> {
    const issue = linear.organization.addIssue(linear.team.id, { title: 'A task', description: 'Do it.' });
    const { session, delivery } = await this.linear.delegate(linear.organization, issue, linear.ada);
    if (delivery.status !== 200) throw new Error(`Linear was answered ${String(delivery.status)}.`);
    return { noticedAt: () => session.firstSignAt?.getTime() ?? null };
  }

  /** She mentions the bot on an issue of its own at GitHub. */
  async mention({ github: { repository } }: ToldOrganization): Promise<AskedFor> {
    const { number } = await this.github.make.pull(repository, this.ada, { head: null });
    const text = `@${this.app.slug} do it`;
    const comment = this.github.make.comment(repository, number, this.ada, text);
    const body = this.github.events.issueComment(repository, comment);
    const delivery = await this.github.hooks.deliver('issue_comment', body);
    if (delivery.statusCode !== 200) throw new Error(`GitHub was answered ${delivery.statusCode}.`);
    const suffix = `/issues/comments/${comment.id}/reactions`;
    return {
      noticedAt: () => {
        const entry = this.github.requests.find((each) => each.path.endsWith(suffix) && each.status === 201);
        return entry ? Date.parse(entry.at) : null;
      },
    };
  }

  async close(): Promise<void> {
    await this.cluster.close();
    await Promise.all([this.github.close(), this.linear.close()]);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** As its admin does it: each link from Berth is opened in a browser, and ends at Berth again. */
  private async add(at: number): Promise<void> {
    const { cluster, github, linear, app, ada } = this;
    const slug = at === 0 ? 'acme' : `acme-${at}`;
    const owner = github.make.organization(slug, [ada]);
    const repository = await github.make.repository(owner, 'widget', { collaborators: [[ada, 'write']] });
    const installation = github.make.installation(app, owner, [repository.id]);
    Object.assign(github.browser, { user: ada, target: owner, repositoryIds: [repository.id] });
    const organization = linear.addOrganization(slug);
    const api = at === 0 ? cluster.api : await this.found(slug);
    const { email } = (await api.get<{ user: { email: string } }>('/api/v1/me')).body.user;
    const there = organization.addUser({ name: 'Ada', email, admin: true });
    linear.signIn(organization, there);
    for (const system of ['github', 'linear']) {
      const { body } = await api.call<{ url: string }>(
        'POST',
        api.path(`/integrations/${system}/connect`),
        {},
      );
      const answer = await fetch(body.url);
      if (!answer.ok)
        throw new Error(`Connecting ${system} ended with ${answer.status}: ${await answer.text()}`);
    }
    const team = organization.addTeam('ENG');
    await api.post(
      api.path('/mappings'),
      { linearTeamKey: 'ENG', repository: `${slug}/${repository.name}` },
      201,
    );
    this.organizations.push({
      api,
      github: { owner, repository, installation },
      linear: { organization, team, ada: there },
    });
  }

  private async found(slug: string): Promise<Api> {
    const { api } = this.cluster;
    const { body } = await api.post<{ apiKey: string }>('/api/v1/organizations', { name: slug, slug }, 201);
    return api.as(body.apiKey, slug);
  }
}
