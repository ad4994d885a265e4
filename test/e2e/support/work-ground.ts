import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGithubEmulator, type GithubEmulator } from '../../emulators/github.js';
import type {
  GithubApp,
  GithubComment,
  GithubInstallation,
  GithubOrganization,
  GithubRepository,
  GithubUser,
} from '../../emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../../emulators/linear.js';
import type { LinearOrganization, LinearTeam } from '../../emulators/linear-world.js';
import type { Api } from '../../support/api.js';
import { TestSystem } from './system.js';

/** A delivery as Berth lists it. */
export interface ListedDelivery {
  system: string;
  event: string;
  action: string | null;
  state: string;
  outcome: string | null;
  workspaceId?: string | null;
}

/** A whole Berth beside a whole GitHub and a whole Linear, both connected by its admin, Ada, as an admin would. */
export class WorkGround {
  private constructor(
    readonly system: TestSystem,
    readonly github: GithubEmulator,
    readonly linear: LinearEmulator,
    readonly acme: GithubOrganization,
    readonly widget: GithubRepository,
    readonly app: GithubApp,
    readonly installation: GithubInstallation,
    readonly ada: GithubUser,
    readonly organization: LinearOrganization,
    readonly team: LinearTeam,
    private readonly folder: string,
  ) {}

  static async start(): Promise<WorkGround> {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-e2e-github-'));
    const github = await startGithubEmulator({ root: folder });
    const ada = github.make.user('ada');
    const acme = github.make.organization('acme', [ada]);
    const widget = await github.make.repository(acme, 'widget', {
      files: { 'README.md': '# Widget\n', 'WORKFLOW.md': '---\nmodel: claude-sonnet-4-6\n---\nBe kind.\n' },
    });
    const app = github.make.app({ slug: 'berth-acme', owner: acme });
    const installation = github.make.installation(app, acme, [widget.id]);
    Object.assign(github.browser, { user: ada, target: acme, repositoryIds: [widget.id] });
    const linear = await startLinearEmulator();
    const organization = linear.addOrganization('acme');
    const team = organization.addTeam('ENG');
    const system = await TestSystem.start({
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
      },
    });
    const ground = new WorkGround(
      system,
      github,
      linear,
      acme,
      widget,
      app,
      installation,
      ada,
      organization,
      team,
      folder,
    );
    const { url } = system.berth;
    app.hookUrl = `${url}/webhooks/github`;
    app.callbackUrls.push(`${url}/oauth/github/callback`);
    linear.webhooks.url = `${url}/webhooks/linear`;
    try {
      await ground.connect('github');
      await ground.connect('linear');
      return ground;
    } catch (error) {
      await ground.close();
      throw error;
    }
  }

  /** As an admin does it: the link from Berth is opened in a browser, and ends at Berth again. */
  async connect(system: 'github' | 'linear'): Promise<void> {
    const { api } = this.system;
    const { status, body } = await api.call<{ url: string }>(
      'POST',
      api.path(`/integrations/${system}/connect`),
      {},
    );
    if (status >= 300) throw new Error(`connect answered ${status}: ${JSON.stringify(body)}`);
    await this.browse(body.url);
  }

  /** Links an account of a member's own, as whoever sits at the emulated browser. */
  async connectAccount(api: Api, system: 'github' | 'linear'): Promise<void> {
    const { body } = await api.call<{ url: string }>(
      'POST',
      `/api/v1/me/external-accounts/${system}/connect`,
      {
        organization: api.organization,
      },
    );
    await this.browse(body.url);
  }

  /** Follows a link as a browser does, to the page at its end; fails on an error page. */
  async browse(url: string): Promise<string> {
    const answer = await fetch(url);
    const page = await answer.text();
    if (!answer.ok)
      throw new Error(`${url} ended at ${answer.url}, ${answer.status}: ${page.slice(0, 2000)}`);
    return page;
  }

  /** Somebody comments, and GitHub tells of it. */
  async says(
    number: number,
    user: GithubUser,
    text: string,
    at: { path?: string } = {},
  ): Promise<GithubComment> {
    const comment = this.github.make.comment(this.widget, number, user, text, at);
    const body =
      at.path === undefined
        ? this.github.events.issueComment(this.widget, comment)
        : await this.github.events.reviewComment(this.widget, comment);
    const event = at.path === undefined ? 'issue_comment' : 'pull_request_review_comment';
    const delivery = await this.github.hooks.deliver(event, body);
    if (delivery.statusCode !== 202 && delivery.statusCode !== 200)
      throw new Error(`the delivery was answered ${delivery.statusCode}: ${delivery.answer}`);
    return comment;
  }

  /** What came in so far, newest first. */
  async deliveries(): Promise<ListedDelivery[]> {
    const { api } = this.system;
    return (await api.get<{ items: ListedDelivery[] }>(api.path('/deliveries?limit=100'))).body.items;
  }

  /** Waits until every delivery was handled, and gives the outcomes, oldest first. */
  async outcomes(): Promise<(string | null)[]> {
    return this.system.api.poll('all deliveries are handled', async () => {
      const items = await this.deliveries();
      const isOver = items.every(({ state }) => state === 'processed' || state === 'failed');
      return isOver ? items.map(({ outcome }) => outcome).reverse() : null;
    });
  }

  /** Comments of the App itself on a pull request. */
  answersOn(number: number): GithubComment[] {
    return this.widget.comments.filter((one) => one.number === number && one.user.id === this.app.bot.id);
  }

  async close(): Promise<void> {
    await this.system.close();
    await Promise.all([this.github.close(), this.linear.close()]);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
