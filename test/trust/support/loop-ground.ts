import { ExternalAccounts } from '../../../src/identity/index.js';
import { silentMetrics, systemClock } from '../../../src/kernel/index.js';
import { JobHandlers } from '../../../src/queue/index.js';
import { DeliveryJobs } from '../../../src/triggers/deliveries/delivery.jobs.js';
import { Deliveries, Replies } from '../../../src/triggers/index.js';
import { Sending } from '../../../src/triggers/replies/sending.service.js';
import { startGithubGround, type GithubGround } from '../../emulators/github-ground.js';
import type { GithubApp, GithubUser } from '../../emulators/github-world.js';
import { startLinearEmulator, type LinearEmulator } from '../../emulators/linear.js';
import type { LinearOrganization, LinearUser } from '../../emulators/linear-world.js';
import { loginEndpoints } from '../../support/app.js';
import { API_KEY, Bench } from '../../support/bench.js';
import { tieGithub } from '../../support/connections.js';
import { connectLinear } from '../../support/linear-connection.js';
import { deliver, fromGithub } from '../../support/webhooks.js';

/** Where somebody talks with Berth: a pull request, or an issue with all of its sessions. */
export interface Talk {
  /** What it is about, as asks name it. */
  cause: string;
  /** Of the pull request. */
  number: number;
}

/** Berth beside GitHub and Linear, with one member who is known at both. Webhooks come in as they are sent, replies go out as they are said; when, the test says. */
export class LoopGround {
  readonly #jobs: DeliveryJobs;
  readonly #sending: Sending;

  private constructor(
    readonly bench: Bench,
    readonly github: GithubGround,
    readonly linear: LinearEmulator,
    readonly acme: LinearOrganization,
    readonly ann: GithubUser,
    readonly annAtLinear: LinearUser,
    /** Not ours. */
    readonly otherApp: GithubApp,
  ) {
    const { app, parts } = bench.app;
    const { database, world, log } = parts;
    const deliveries = app.get(Deliveries, { strict: false });
    const sweep = { also: () => undefined } as never;
    this.#jobs = new DeliveryJobs(database, deliveries, world, log, silentMetrics, new JobHandlers(), sweep);
    this.#sending = new Sending(database, app.get(Replies, { strict: false }), world, log, silentMetrics);
  }

  static async start(): Promise<LoopGround> {
    const github = await startGithubGround();
    const linear = await startLinearEmulator();
    const { make, limits } = github.github;
    // What is counted here are loops; that limits are kept is seen elsewhere.
    Object.assign(limits, { secondary: false, perHour: 1e9 });
    linear.limits.configure({ requests: 1e9, complexity: 1e9 });
    const ends = loginEndpoints({ github: github.github, linear });
    const otherApp = make.app({ slug: 'other-agent', owner: github.acme });
    const bench = await Bench.start({ clock: systemClock, parts: { loginEndpoints: ends } });
    const { organization, app, api } = bench;
    await tieGithub(app.database.ownerUrl, organization.id, String(github.installation.id));
    linear.webhooks.url = `${app.url}/webhooks/linear`;
    const acme = linear.addOrganization('acme');
    acme.addTeam('ENG');
    await connectLinear(app, organization, linear, acme);
    await api.post(api.path('/mappings'), { linearTeamKey: 'ENG', repository: 'acme/widget' }, 201);
    // Automations may ask: those have the most to go round with.
    await api.setCredential('organization', 'anthropic_api_key', { apiKey: API_KEY });
    const policy = { organizationFallback: true, automation: true };
    await api.call('PUT', api.path('/credential-policy'), policy, 200);
    const ann = acme.addUser({ name: 'Ann', email: 'ann@loops.example' });
    await link(bench, 'github', String(github.alice.id), github.alice.login);
    await link(bench, 'linear', ann.id, null);
    return new LoopGround(bench, github, linear, acme, github.alice, ann, otherApp);
  }

  /** Calls that GitHub and Linear got so far. */
  calls(): number {
    const { requests } = this.github.github;
    return requests.length + this.linear.calls.length;
  }

  /** Handles what was delivered. Answers the outcomes. */
  async handleAll(): Promise<string[]> {
    const waiting = await this.bench.sql(
      `SELECT id FROM delivery WHERE state = 'received' ORDER BY received_at`,
    );
    const ids = waiting.map(({ id }) => String(id));
    for (const id of ids) await this.#jobs.handle(this.bench.organization.id, id);
    const done = await this.bench.sql(
      'SELECT outcome, error FROM delivery WHERE id = ANY($1::uuid[]) ORDER BY received_at',
      [ids],
    );
    return done.map(({ outcome, error }) => String(outcome ?? error));
  }

  /** What becomes of what is delivered meanwhile. */
  async during(work: () => Promise<unknown>): Promise<string[]> {
    await work();
    return this.handleAll();
  }

  /** Somebody writes below a pull request; `via`: through an App. */
  async comments(
    { number }: Talk,
    by: GithubUser,
    text: string,
    via: GithubApp | null = null,
  ): Promise<void> {
    const { github, widget, app } = this.github;
    const comment = github.make.comment(widget, number, by, text);
    comment.app = via;
    const body = github.events.issueComment(widget, comment);
    await deliver(this.bench.app.url, fromGithub(app.webhookSecret ?? '', 'issue_comment', body));
  }

  /** The agent has done what was asked, and says so; everything that waits is said. */
  async answer({ cause }: Talk): Promise<void> {
    const { app, parts } = this.bench.app;
    const { id } = this.bench.organization;
    const replies = app.get(Replies, { strict: false });
    const asks = await this.bench.sql(
      `SELECT key, conversation_id, message_id FROM ask WHERE decision->>'cause' = $1 AND message_id IS NOT NULL`,
      [cause],
    );
    for (const ask of asks)
      await parts.database.tenant(id, (tenant) =>
        replies.add(tenant, String(ask.conversation_id), {
          key: `end/${String(ask.message_id)}`,
          content: { type: 'answer', text: '@berth-acme @berth done; and you?' },
          about: { askKey: String(ask.key) },
        }),
      );
    await this.bench.sql('DELETE FROM reply_budget');
    for (const { id: conversation } of await this.conversations({ cause, number: 0 }))
      await this.#sending.send(id, String(conversation));
  }

  /** What was asked that became a message. */
  async jobs({ cause }: Talk): Promise<number> {
    const found = await this.bench.sql(
      `SELECT 1 FROM ask WHERE decision->>'cause' = $1 AND message_id IS NOT NULL`,
      [cause],
    );
    return found.length;
  }

  conversations({ cause }: Talk): Promise<Record<string, unknown>[]> {
    return this.bench.sql(
      `SELECT id, state, workspace_id FROM conversation WHERE key = $1 OR subject->>'issueId' = $1 ORDER BY id`,
      [cause],
    );
  }

  /** So many seconds go by: all that was asked and said there is older by that. */
  async setBack(talk: Talk, seconds: number): Promise<void> {
    if (seconds === 0) return;
    const ids = (await this.conversations(talk)).map(({ id }) => id);
    const by = [ids, seconds];
    await this.bench.sql(
      'UPDATE ask SET created_at = created_at - make_interval(secs => $2) WHERE conversation_id = ANY($1::uuid[])',
      by,
    );
    await this.bench.sql(
      'UPDATE reply SET sent_at = sent_at - make_interval(secs => $2) WHERE conversation_id = ANY($1::uuid[])',
      by,
    );
  }

  /** What people see of it: the states of its conversations, how often it was said there, and how often it stands in events; `withWorkspace`: how many paused ones have a workspace to tell it. */
  async shown(talk: Talk): Promise<{ states: string[]; said: number; told: number; withWorkspace: number }> {
    const found = await this.conversations(talk);
    const [told] = await this.bench.sql(
      `SELECT count(*)::int AS n FROM event WHERE type = 'conversation.state' AND data->>'url' IN
         (SELECT url FROM conversation WHERE key = $1 OR subject->>'issueId' = $1)`,
      [talk.cause],
    );
    return {
      states: found.map(({ state }) => String(state)),
      said: this.#saidThere(talk),
      told: Number(told?.n),
      withWorkspace: found.filter((each) => each.state === 'paused' && each.workspace_id !== null).length,
    };
  }

  /** At the other end. */
  #saidThere({ number, cause }: Talk): number {
    const isIt = (text: string): boolean => text.includes('Berth paused this conversation');
    const { widget } = this.github;
    const comments = widget.comments.filter((one) => one.number === number && isIt(one.body));
    const sessions = [...this.acme.sessions.values()].filter(({ issueId }) => issueId === cause);
    const activities = sessions
      .flatMap(({ id }) => this.acme.activitiesOf(id))
      .filter(({ content }) => isIt(String(content.body)));
    return comments.length + activities.length;
  }

  async close(): Promise<void> {
    await this.bench.close();
    await this.github.close();
    await this.linear.close();
  }
}

/** Makes an account there the owner's. */
async function link(
  { app, organization, owner }: Bench,
  system: 'github' | 'linear',
  externalId: string,
  handle: string | null,
): Promise<void> {
  const accounts = app.app.get(ExternalAccounts, { strict: false });
  const rest = { name: null, email: null, emailProven: false, isApp: false, isActive: true };
  const person = { system, externalId, handle, ...rest };
  await app.parts.database.tenant(organization.id, (tenant) =>
    accounts.link(tenant, { userId: owner.userId, person, proof: 'authorization' }),
  );
}
