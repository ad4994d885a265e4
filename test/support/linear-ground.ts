import { startLinearEmulator, type LinearEmulator } from '../emulators/linear.js';
import type { LinearOrganization, LinearUser } from '../emulators/linear-world.js';
import type { LinearDelivery } from '../emulators/linear-webhooks.js';
import type { Api } from './api.js';

/** An emulated Linear beside a Berth of processes, with one organization and one person: whoever connects it. */
export class LinearGround {
  readonly #teams = new Map<string, string>();
  #person: LinearUser | null = null;

  private constructor(
    readonly emulator: LinearEmulator,
    readonly organization: LinearOrganization,
  ) {}

  static async start(): Promise<LinearGround> {
    const emulator = await startLinearEmulator();
    return new LinearGround(emulator, emulator.addOrganization('acme'));
  }

  /** For the Berth beside it. */
  get environment(): Record<string, string> {
    const { url, app } = this.emulator;
    return {
      BERTH_LINEAR_API_URL: url,
      BERTH_LINEAR_AUTH_URL: url,
      LINEAR_CLIENT_ID: app.clientId,
      LINEAR_CLIENT_SECRET: app.clientSecret,
      LINEAR_WEBHOOK_SECRET: app.webhookSecret,
    };
  }

  /** Connects the caller's organization as an admin does: the link is opened in a browser. Who calls is a person there, by their address. */
  async connect(api: Api): Promise<void> {
    this.emulator.webhooks.url = `${api.url}/webhooks/linear`;
    const { url } = (await api.call<{ url: string }>('POST', api.path('/integrations/linear/connect'), {}))
      .body;
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`Connecting ended with ${answer.status}: ${await answer.text()}`);
    const { email, name } = (await api.get<{ user: { email: string; name: string } }>('/api/v1/me')).body
      .user;
    this.#person = this.organization.addUser({ email, name });
  }

  /** A team whose work goes to this repository. Answers its key. */
  async team(api: Api, repository: string): Promise<string> {
    const key = `T${this.#teams.size}`;
    this.#teams.set(key, this.organization.addTeam(key).id);
    await api.post(api.path('/mappings'), { linearTeamKey: key, repository }, 201);
    return key;
  }

  /** Gives an issue of the team to Berth; the answer to its delivery may never come. */
  async give(teamKey: string, description: string): Promise<void> {
    const team = this.#teams.get(teamKey);
    if (!team || !this.#person) throw new Error('There is no such team, or nobody is connected.');
    const issue = this.organization.addIssue(team, { title: `Of ${teamKey}`, description });
    await this.emulator.delegate(this.organization, issue, this.#person);
  }

  /** The delivery that told of the team's issue, and what was said about it. */
  told(teamKey: string): { delivery: LinearDelivery; responses: string[]; said: string[] } {
    const { activities, appUser, sessions, issues } = this.organization;
    const issue = [...issues.values()].find(({ title }) => title === `Of ${teamKey}`);
    const session = [...sessions.values()].find(({ issueId }) => issueId === issue?.id);
    const delivery = this.emulator.webhooks.deliveries.find(
      ({ event, body }) => event === 'AgentSessionEvent' && session && body.includes(session.id),
    );
    if (!delivery || !session) throw new Error(`Nothing was told of ${teamKey}.`);
    const own = [...activities.values()].filter(
      ({ sessionId, userId }) => sessionId === session.id && userId === appUser.id,
    );
    const responses = own
      .filter(({ content }) => content.type === 'response')
      .map(({ content }) => String(content.body));
    return { delivery, responses, said: own.map(({ content }) => JSON.stringify(content)) };
  }

  close(): Promise<void> {
    return this.emulator.close();
  }
}
