import { Pool } from 'pg';
import { systemClock } from '../../../src/kernel/index.js';
import { DeliveryJobs } from '../../../src/triggers/deliveries/delivery.jobs.js';
import { ReplyRhythm } from '../../../src/triggers/index.js';
import { Sweep, WorkspaceSettings } from '../../../src/workspaces/index.js';
import { startGithubGround, type GithubGround } from '../../emulators/github-ground.js';
import type { GithubInstallation, GithubRepository, GithubUser } from '../../emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../../emulators/linear.js';
import type { LinearOrganization, LinearTeam, LinearUser } from '../../emulators/linear-world.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestAppOptions,
  type TestOrganization,
} from '../../support/app.js';
import { API_KEY } from '../../support/bench.js';
import { tieAccount } from '../../support/connections.js';
import { eventually } from '../../support/eventually.js';
import { connectGithub } from '../../support/github-connection.js';
import { connectLinear } from '../../support/linear-connection.js';

/** An organization, and who it is at Linear and at GitHub. Its one member is Ann at both. */
export interface Tracked {
  organization: TestOrganization;
  there: LinearOrganization;
  /** Of Berth's login there. */
  refreshToken: string;
  team: LinearTeam;
  ann: LinearUser;
  installation: GithubInstallation;
  repository: GithubRepository;
  annAtGithub: GithubUser;
}

export interface ReceivingOptions extends TestAppOptions {
  replicas?: number;
  /** What was forgotten is looked for every second: with the outages of a store, jobs are lost. */
  isSwept?: boolean;
}

/**
 * Whole Berths on one database beside an emulated Linear and GitHub: what is delivered is done by their own workers and handlers, and said there. Machines alone are played, and do nothing. What is counted is counted at the emulators, and in rows.
 */
export class Receiving {
  readonly #owner: Pool;
  #tracked = 0;

  private constructor(
    readonly replicas: readonly [TestApp, ...TestApp[]],
    readonly linear: LinearEmulator,
    readonly github: GithubGround,
  ) {
    this.#owner = new Pool({ connectionString: this.first.database.ownerUrl, max: 2 });
    // A connection that an outage ends while nobody asks anything.
    this.#owner.on('error', () => undefined);
  }

  static async start({
    replicas: count = 2,
    isSwept = false,
    ...options
  }: ReceivingOptions = {}): Promise<Receiving> {
    const { clock = systemClock } = options;
    const linear = await startLinearEmulator({ clock });
    const github = await startGithubGround(clock);
    const repositories = { githubUrl: github.github.url, fileRoots: null, dataDirectory: '/nowhere' };
    const models = { claude: 'claude-test', codex: 'codex-test' };
    const all: TestAppOptions = {
      worker: true,
      githubUrl: github.github.url,
      ...options,
      parts: {
        loginEndpoints: loginEndpoints({ linear, github: github.github }),
        // Nobody says here that a host is there.
        workspaceSettings: new WorkspaceSettings(repositories, models, 1, 86_400),
        ...options.parts,
      },
    };
    const first = await startTestApp(all);
    const replicas: [TestApp, ...TestApp[]] = [first];
    // One Berth, under one address.
    const parts = { ...all.parts, publicUrl: first.parts.publicUrl };
    while (replicas.length < count) replicas.push(await startTestApp({ ...all, parts, beside: first }));
    for (const { app } of replicas) {
      if (isSwept) await app.get(Sweep, { strict: false }).start();
      if (all.worker) app.get(ReplyRhythm, { strict: false }).start();
    }
    return new Receiving(replicas, linear, github);
  }

  get first(): TestApp {
    return this.replicas[0];
  }

  /** The nth of them, over and over. */
  url(at: number): string {
    return this.replicas[at % this.replicas.length]?.url ?? '';
  }

  /** A further organization, connected to a Linear and a GitHub of its own: so none comes near what these let one installation do in an hour. */
  async track(): Promise<Tracked> {
    const { first, linear, github } = this;
    const { make } = github.github;
    const name = `acme-${(this.#tracked += 1)}`;
    const organization = await first.founded(name);
    const { owner } = organization;
    await owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const there = linear.addOrganization(name);
    const team = there.addTeam('ENG');
    const ann = there.addUser({ name: 'Ann', email: owner.email });
    const { refreshToken } = await connectLinear(first, organization, linear, there);
    const annAtGithub = make.user(`ann-of-${name}`);
    const account = make.organization(name, [annAtGithub]);
    const repository = await make.repository(account, 'widget');
    const installation = make.installation(github.app, account, [repository.id]);
    await connectGithub(first, organization, installation, [repository]);
    const who = { organizationId: organization.id, userId: owner.userId };
    const { ownerUrl } = first.database;
    await tieAccount(ownerUrl, who, { externalId: ann.id });
    await tieAccount(ownerUrl, who, { system: 'github', externalId: String(annAtGithub.id) });
    await owner.api.post(
      owner.api.path('/mappings'),
      { linearTeamKey: 'ENG', repository: `${name}/widget` },
      201,
    );
    return { organization, there, refreshToken, team, ann, installation, repository, annAtGithub };
  }

  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#owner.query<Record<string, unknown>>(text, values)).rows;
  }

  /** What is told from now on comes to the first of them. */
  listen(): void {
    this.linear.webhooks.url = `${this.first.url}/webhooks/linear`;
    this.github.app.hookUrl = `${this.first.url}/webhooks/github`;
  }

  /** Waits until every delivery is handled and every reply is said. Those that wait are handled `times` at once on each replica, beside the workers. */
  async settle(times = 0, deadlineSeconds = 120): Promise<void> {
    await eventually(
      'all that was delivered is handled, and all is said',
      async () => {
        if (times > 0) await this.#hurry(times);
        const [left] = await this.sql(
          `SELECT (SELECT count(*)::int FROM delivery WHERE state IN ('received', 'processing')) AS deliveries,
                  (SELECT count(*)::int FROM reply WHERE state = 'waiting') AS replies`,
        ).catch(() => []);
        return left?.deliveries === 0 && left.replies === 0;
      },
      deadlineSeconds,
    );
  }

  async #hurry(times: number): Promise<void> {
    const waiting = await this.sql(
      `SELECT id, organization_id FROM delivery WHERE state = 'received' AND organization_id IS NOT NULL`,
    );
    const tries = waiting.flatMap(({ id, organization_id: organizationId }) =>
      this.replicas.flatMap(({ app }) =>
        Array.from({ length: times }, () =>
          app.get(DeliveryJobs, { strict: false }).handle(String(organizationId), String(id)),
        ),
      ),
    );
    // Who comes while another is at it is told so.
    await Promise.allSettled(tries);
  }

  async close(): Promise<void> {
    for (const { app } of this.replicas) {
      app.get(Sweep, { strict: false }).stop();
      app.get(ReplyRhythm, { strict: false }).stop();
    }
    await this.#owner.end();
    for (const berth of this.replicas.toReversed()) await berth.close();
    await Promise.all([this.linear.close(), this.github.close()]);
  }
}
