import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { systemClock } from '../../src/kernel/index.js';
import { playFailure, readBody, sendHalf, sendHead, sendJson } from './answers.js';
import { grantNamed, refreshTokenNamed } from './bodies.js';
import type { Control } from './control.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import type { LinearCall, LinearEmulator, LinearEmulatorOptions, Told } from './linear-emulator.js';
import { RATELIMITED, UNAUTHENTICATED } from './linear-errors.js';
import { readOperation, run, type LinearOperation } from './linear-graphql.js';
import { LinearLimits } from './linear-limits.js';
import { LinearLogins, type LinearApp, type LinearGrant } from './linear-oauth.js';
import { LinearRoots } from './linear-roots.js';
import { LinearWebhooks, type LinearDelivery } from './linear-webhooks.js';
import {
  LinearOrganization,
  must,
  type LinearIssue,
  type LinearSession,
  type LinearUser,
} from './linear-world.js';
import { EmulatorServer } from './server.js';

export type * from './linear-emulator.js';

/** linear.md 2; as in the fixture. */
const STUB = 'This thread is for an agent session with';

/** Starts Linear on loopback. Rejects when the port is taken. */
export async function startLinearEmulator(options: LinearEmulatorOptions = {}): Promise<LinearEmulator> {
  const server = new LinearServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

class LinearServer extends EmulatorServer<LinearLogins> implements LinearEmulator {
  readonly limits: LinearLimits;
  readonly webhooks: LinearWebhooks;
  readonly organizations = new Map<string, LinearOrganization>();
  readonly app: LinearApp;
  readonly #time: () => Date;
  duplicates: 'refuse' | 'same' = 'refuse';
  #calls: LinearCall[] = [];

  constructor(private readonly options: LinearEmulatorOptions) {
    const app: LinearApp = {
      clientId: 'linear-emulator-client',
      clientSecret: 'linear-emulator-secret',
      webhookSecret: `lin_wh_${randomUUID()}`,
      redirectUri: null,
      ...options.app,
    };
    super(options, (exchange) => this.#answer(exchange), new LinearLogins(app, options.clock));
    const clock = options.clock ?? systemClock;
    this.#time = () => clock.now();
    this.app = app;
    this.limits = new LinearLimits(clock);
    this.webhooks = new LinearWebhooks(app, this.#time);
  }

  get graphqlUrl(): string {
    return `${this.url}/graphql`;
  }

  get calls(): readonly LinearCall[] {
    return this.#calls;
  }

  override reset(): void {
    super.reset();
    this.#calls = [];
    this.limits.reset();
    this.webhooks.deliveries.length = 0;
    this.duplicates = 'refuse';
    this.logins.isDeclined = false;
    this.logins.grantedScopes = null;
  }

  addOrganization(urlKey: string, ids: { id?: string; appUserId?: string } = {}): LinearOrganization {
    const made = new LinearOrganization(this.options.clock ?? systemClock, urlKey, 'berth', ids);
    const admin = made.addUser({ name: 'Admin', email: `admin@${urlKey}.example.com`, admin: true });
    this.organizations.set(made.id, made);
    if (!this.logins.visitor) this.signIn(made, admin);
    return made;
  }

  signIn({ id, appUser }: LinearOrganization, { id: userId, admin }: LinearUser): void {
    this.logins.visitor = { organizationId: id, userId, isAdmin: admin, appUserId: appUser.id };
  }

  async delegate(organization: LinearOrganization, issue: LinearIssue, by: LinearUser | null): Promise<Told> {
    issue.delegateId = organization.appUser.id;
    if (by) issue.assigneeId ??= by.id;
    const comment = this.#comment(organization, issue, null, `${STUB} ${organization.appUser.name}.`);
    return this.#open(organization, issue, by, comment, null);
  }

  async mention(
    organization: LinearOrganization,
    issue: LinearIssue,
    by: LinearUser,
    text: string,
    { responsible = by, isInThread = false }: { responsible?: LinearUser; isInThread?: boolean } = {},
  ): Promise<Told> {
    const source = this.#comment(organization, issue, by.id, text);
    // Of a mention in a thread the session gets a thread of its own.
    const comment = isInThread
      ? this.#comment(organization, issue, null, `${STUB} ${organization.appUser.name}.`)
      : source;
    const metadata = { type: 'comment', agentSessionMetadata: { sourceCommentId: source } };
    return this.#open(organization, issue, responsible, comment, metadata);
  }

  prompt(
    organization: LinearOrganization,
    session: LinearSession,
    by: LinearUser,
    text: string,
    signal: 'stop' | null = null,
  ): Promise<LinearDelivery> {
    const activity = {
      id: randomUUID(),
      sessionId: session.id,
      userId: by.id,
      content: { type: 'prompt', body: text },
      sourceCommentId: this.#comment(organization, { id: session.issueId }, by.id, text),
      ephemeral: false,
      signal,
      signalMetadata: null,
      createdAt: this.#time(),
    };
    organization.activities.set(activity.id, activity);
    session.updatedAt = activity.createdAt;
    return this.webhooks.send(this.webhooks.sessionEvent(organization, session, activity));
  }

  undelegate(organization: LinearOrganization, issue: LinearIssue, by: LinearUser): Promise<LinearDelivery> {
    issue.delegateId = null;
    return this.webhooks.send(this.webhooks.notification(organization, 'issueUnassignedFromYou', issue, by));
  }

  removeApp(organization: LinearOrganization): Promise<LinearDelivery> {
    this.logins.endAll(organization.id);
    return this.webhooks.send(this.webhooks.revoked(organization));
  }

  changeTeams(organization: LinearOrganization, added: string[], removed: string[]): Promise<LinearDelivery> {
    return this.webhooks.send(this.webhooks.teamAccess(organization, added, removed));
  }

  protected override readonly controls: Record<string, Control> = {
    'GET /_control/linear': () => this.#told(),
    'POST /_control/linear/webhook': (body) => {
      this.webhooks.url = z.strictObject({ url: z.url().nullable() }).parse(body).url;
    },
    'POST /_control/linear/limits': (body) =>
      this.limits.configure(z.record(z.string(), z.number()).parse(body)),
    'POST /_control/linear/delegate': async (body) => {
      const { organization, issue, user } = this.#named(body);
      return this.delegate(organization, issue, user);
    },
    'POST /_control/linear/mention': async (body) => {
      const { organization, issue, user, text } = this.#named(body);
      return this.mention(organization, issue, must(user ?? undefined, 'user'), text);
    },
    'POST /_control/linear/prompt': async (body) => {
      const { organization, session, user, text, signal } = this.#named(body);
      return this.prompt(
        organization,
        must(session, 'session'),
        must(user ?? undefined, 'user'),
        text,
        signal,
      );
    },
    'POST /_control/linear/undelegate': async (body) => {
      const { organization, issue, user } = this.#named(body);
      return this.undelegate(organization, issue, must(user ?? undefined, 'user'));
    },
    'POST /_control/linear/remove-app': async (body) => this.removeApp(this.#named(body).organization),
    'POST /_control/linear/teams': async (body) => {
      const { organization, added, removed } = this.#named(body);
      return this.changeTeams(organization, added, removed);
    },
  };

  async #answer(exchange: Exchange): Promise<void> {
    const { entry, request } = exchange;
    const text = await readBody(request);
    const failureOf = (isMain: boolean): Failure | null => this.failures.take(entry, isMain);
    if (entry.path.startsWith('/oauth/')) {
      entry.grant = grantNamed(text);
      entry.refreshToken = refreshTokenNamed(text);
      if (await this.logins.serve(exchange, () => failureOf(false), text)) return;
    }
    if (`${entry.method} ${entry.path}` !== 'POST /graphql') {
      sendJson(exchange, 404, { error: 'not found' });
      return;
    }
    const { operation, errors } = readOperation(text);
    entry.operation = operation?.name ?? null;
    const failure = failureOf(true);
    if (failure && playFailure(exchange, failure, { errors: [{ message: 'Internal server error' }] })) return;
    if (failure?.mode === 'hold-before') await this.gate.next(exchange.signal);
    const grant = entry.credential.kind === 'bearer' ? this.logins.grantOf(entry.credential.value) : null;
    if (!grant) sendJson(exchange, 401, UNAUTHENTICATED);
    else if (!operation) sendJson(exchange, 400, { errors });
    else await this.#carryOut(exchange, operation, grant, failure);
  }

  async #carryOut(
    exchange: Exchange,
    operation: LinearOperation,
    grant: LinearGrant,
    failure: Failure | null,
  ): Promise<void> {
    const { headers, isOver, isTooMuch } = this.limits.take(grant.organizationId, operation.complexity);
    if (isOver) {
      sendJson(exchange, 400, RATELIMITED, headers);
      return;
    }
    if (isTooMuch) {
      sendJson(
        exchange,
        400,
        { errors: [{ message: 'Query too complex', extensions: { code: 'INPUT_ERROR' } }] },
        headers,
      );
      return;
    }
    const organization = must(this.organizations.get(grant.organizationId), 'organization');
    const result = await run(operation, new LinearRoots(organization, grant, this.duplicates));
    const errors = (result.errors ?? []).map((error) => (error as { message: string }).message);
    const { name, variables } = operation;
    this.#calls.push({
      at: this.#time().toISOString(),
      organizationId: organization.id,
      operation: name,
      variables,
      errors,
    });
    await this.#send(exchange, failure, result, headers);
  }

  /** It took effect; what becomes of the answer is the failure's. */
  async #send(
    exchange: Exchange,
    failure: Failure | null,
    result: object,
    headers: Record<string, string>,
  ): Promise<void> {
    if (failure?.mode === 'hold-after') await this.gate.next(exchange.signal);
    if (failure?.mode === 'lost-answer') exchange.request.socket.resetAndDestroy();
    else if (failure?.mode === 'cut-mid-stream')
      await sendHalf(exchange, 'application/json', JSON.stringify(result));
    else if (failure?.mode === 'garbage') {
      sendHead(exchange, 200, { 'content-type': 'application/json' });
      exchange.response.end('{"data": {');
    } else sendJson(exchange, 200, result, headers);
  }

  async #open(
    organization: LinearOrganization,
    issue: LinearIssue,
    by: LinearUser | null,
    commentId: string,
    sourceMetadata: unknown,
  ): Promise<Told> {
    const at = this.#time();
    const session: LinearSession = {
      id: randomUUID(),
      issueId: issue.id,
      creatorId: by?.id ?? null,
      commentId,
      sourceMetadata,
      plan: null,
      summary: null,
      externalUrls: [],
      createdAt: at,
      updatedAt: at,
      firstSignAt: null,
      dismissedAt: null,
    };
    organization.sessions.set(session.id, session);
    return {
      session,
      delivery: await this.webhooks.send(this.webhooks.sessionEvent(organization, session, null)),
    };
  }

  #comment(
    organization: LinearOrganization,
    issue: Pick<LinearIssue, 'id'>,
    userId: string | null,
    body: string,
  ): string {
    const id = randomUUID();
    organization.comments.set(id, {
      id,
      issueId: issue.id,
      parentId: null,
      userId,
      body,
      createdAt: this.#time(),
    });
    return id;
  }

  #named(body: unknown) {
    const asked = namedSchema.parse(body);
    const organization = must(this.organizations.get(asked.organization), 'organization');
    const session = organization.sessions.get(asked.session);
    const issueId = asked.issue ?? session?.issueId ?? '';
    return {
      ...asked,
      organization,
      session,
      get issue() {
        return must(organization.issue(issueId), 'issue');
      },
      user: asked.user === null ? null : must(organization.users.get(asked.user), 'user'),
    };
  }

  #told(): object {
    const { calls, webhooks, logins, limits } = this;
    const organizations = [...this.organizations.values()].map((each) => ({
      id: each.id,
      urlKey: each.urlKey,
      appUserId: each.appUser.id,
      users: [...each.users.values()],
      issues: [...each.issues.values()],
      sessions: [...each.sessions.values()],
      activities: [...each.activities.values()],
      comments: [...each.comments.values()],
      attachments: [...each.attachments.values()],
    }));
    return {
      calls,
      deliveries: webhooks.deliveries,
      refused: limits.refused,
      logins: logins.calls,
      organizations,
    };
  }
}

const namedSchema = z.strictObject({
  organization: z.string(),
  issue: z.string().optional(),
  session: z.string().default(''),
  user: z.string().nullable().default(null),
  text: z.string().default(''),
  signal: z.literal('stop').optional(),
  added: z.array(z.string()).default([]),
  removed: z.array(z.string()).default([]),
});
