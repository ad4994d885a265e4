import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuthenticationLinearError, ForbiddenLinearError, LinearClient } from '@linear/sdk';
import { LinearWebhookClient } from '@linear/sdk/webhooks';
import { FakeClock } from '../../src/kernel/index.js';
import { startLinearEmulator, type LinearEmulator } from './linear.js';
import type { LinearIssue, LinearOrganization, LinearUser } from './linear-world.js';

const REDIRECT = 'http://127.0.0.1:1/oauth/linear/callback';
const VERIFIER = 'v'.repeat(43);
const SCOPES = ['read', 'write', 'app:assignable', 'app:mentionable'];

let clock: FakeClock;
let linear: LinearEmulator;
let acme: LinearOrganization;
let ann: LinearUser;
let issue: LinearIssue;
beforeEach(async () => {
  clock = new FakeClock(new Date());
  linear = await startLinearEmulator({ clock });
  acme = linear.addOrganization('acme');
  ann = acme.addUser({ name: 'Ann', email: 'Ann@Example.com' });
  issue = acme.addIssue(acme.addTeam('ENG').id, { title: 'A button' });
});
afterEach(() => linear.close());

function link(more: Record<string, string> = {}): string {
  const url = new URL(`${linear.url}/oauth/authorize`);
  const query = {
    client_id: linear.app.clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: SCOPES.join(','),
    state: 'state-1',
    actor: 'app',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

async function token(
  form: Record<string, string>,
): Promise<{ status: number; body: Record<string, string> }> {
  const { clientId, clientSecret } = linear.app;
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...form });
  const answer = await fetch(`${linear.url}/oauth/token`, {
    method: 'POST',
    body: body.toString(),
    headers: FORM,
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

const codeOf = (location: string): string => new URL(location).searchParams.get('code') ?? '';
const exchange = (code: string, verifier = VERIFIER) =>
  token({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier });
const refresh = (refreshToken = '') => token({ grant_type: 'refresh_token', refresh_token: refreshToken });

function clientOf(accessToken: string): LinearClient {
  return new LinearClient({ accessToken, apiUrl: linear.graphqlUrl });
}
function appClient(scopes = SCOPES): LinearClient {
  const grant = { organizationId: acme.id, userId: acme.appUser.id, actor: 'app' as const, scopes };
  return clientOf(linear.logins.install(grant).accessToken);
}

describe('OAuth', () => {
  it('goes from the page to a token of the app, once, and says nothing of the organization', async () => {
    const page = await fetch(link(), { redirect: 'manual' });
    const location = page.headers.get('location') ?? '';
    expect(new URL(location).searchParams.get('state')).toBe('state-1');
    const { status, body } = await exchange(codeOf(location));
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.stringMatching(/^lin_oauth_/) as string,
      token_type: 'Bearer',
      expires_in: 86_399,
      scope: SCOPES.join(' '),
      refresh_token: expect.stringMatching(/^lin_refresh_/) as string,
    });
    expect(await exchange(codeOf(location))).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const viewer = await clientOf(body.access_token ?? '').viewer;
    expect([viewer.id, viewer.app]).toEqual([acme.appUser.id, true]);
    const organization = await clientOf(body.access_token ?? '').organization;
    expect([organization.id, organization.urlKey]).toEqual([acme.id, 'acme']);
  });

  it('refuses another verifier, a wrong secret, JSON, and who is no admin', async () => {
    const code = codeOf(linear.logins.locationFor(link()));
    expect(await exchange(code, 'w'.repeat(43))).toMatchObject({ status: 400 });
    expect(
      await token({ grant_type: 'refresh_token', refresh_token: 'x', client_secret: 'y' }),
    ).toMatchObject({
      status: 401,
    });
    expect((await fetch(`${linear.url}/oauth/token`, { method: 'POST', body: '{}' })).status).toBe(400);
    linear.signIn(acme, ann);
    expect((await fetch(link(), { redirect: 'manual' })).status).toBe(400);
    // As herself she may.
    const { body } = await exchange(
      codeOf(linear.logins.locationFor(link({ actor: 'user', scope: 'read' }))),
    );
    expect((await clientOf(body.access_token ?? '').viewer).id).toBe(ann.id);
    linear.logins.isDeclined = true;
    expect(linear.logins.locationFor(link())).toContain('error=access_denied');
  });

  it('rotates the refresh token, and answers a spent one for half an hour with the same', async () => {
    const first = linear.logins.install({
      organizationId: acme.id,
      userId: acme.appUser.id,
      actor: 'app',
      scopes: SCOPES,
    });
    const second = await refresh(first.refreshToken);
    clock.advance(1_799_000);
    expect((await refresh(first.refreshToken)).body.refresh_token).toBe(second.body.refresh_token);
    expect(linear.logins.count('replayed')).toBe(1);
    clock.advance(2_000);
    expect(await refresh(first.refreshToken)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  it('ends a token after a day, by its revocation, and with the app', async () => {
    const { accessToken } = linear.logins.install({
      organizationId: acme.id,
      userId: acme.appUser.id,
      actor: 'app',
      scopes: SCOPES,
    });
    expect(linear.logins.grantOf(accessToken)).not.toBeNull();
    const form = new URLSearchParams({ token: accessToken }).toString();
    const revoke = () => fetch(`${linear.url}/oauth/revoke`, { method: 'POST', body: form, headers: FORM });
    expect((await revoke()).status).toBe(200);
    await expect(clientOf(accessToken).viewer).rejects.toBeInstanceOf(AuthenticationLinearError);
    const other = appClient();
    clock.advance(86_400_000);
    await expect(other.viewer).rejects.toBeInstanceOf(AuthenticationLinearError);
    const third = appClient();
    await linear.removeApp(acme);
    await expect(third.viewer).rejects.toBeInstanceOf(AuthenticationLinearError);
  });
});

describe('GraphQL, through the SDK', () => {
  it('reads people, issues, labels and states', async () => {
    issue.labelIds.push(acme.addLabel('bug').id);
    const client = appClient();
    const users = await client.users({ filter: { email: { eqIgnoreCase: 'ann@example.com' } } });
    expect(users.nodes.map(({ id }) => id)).toEqual([ann.id]);
    const read = await client.issue('ENG-1');
    expect([read.id, read.title, (await read.state)?.name]).toEqual([issue.id, 'A button', 'Todo']);
    expect((await read.labels()).nodes.map(({ name }) => name)).toEqual(['bug']);
    const states = await client.workflowStates({ filter: { type: { eq: 'started' } } });
    expect(states.nodes.map(({ name, position }) => [name, position])).toEqual([
      ['In Review', 3],
      ['In Progress', 2],
    ]);
  });

  it('writes an issue, a comment, links (one per URL) and a plan', async () => {
    const client = appClient();
    const { session } = await linear.delegate(acme, issue, ann);
    const [review] = acme.statesOf(issue.teamId).filter(({ type }) => type === 'started');
    await client.updateIssue(issue.id, { stateId: review?.id, delegateId: acme.appUser.id });
    expect(issue).toMatchObject({ stateId: review?.id, assigneeId: ann.id });
    await client.createComment({ issueId: issue.id, body: 'Hello' });
    const pull = 'https://github.com/acme/web/pull/7';
    await client.attachmentLinkGitHubPR(issue.id, pull, { title: 'One' });
    await client.attachmentLinkGitHubPR(issue.id, pull, { title: 'Two' });
    expect(acme.attachmentsOf(issue.id)).toMatchObject([{ url: pull, title: 'Two' }]);
    const plan = [{ content: 'Look', status: 'inProgress' }];
    await client.updateAgentSession(session.id, {
      plan,
      addedExternalUrls: [{ label: 'Work', url: 'https://b/1' }],
    });
    await client.updateAgentSession(session.id, {
      addedExternalUrls: [{ label: 'Pull request', url: pull }],
    });
    expect(session.externalUrls.map(({ label }) => label)).toEqual(['Work', 'Pull request']);
    expect((await client.agentSession(session.id)).status).toBe('active');
  });

  it.each([
    [{ type: 'thought', body: 'Hm' }, 'active'],
    [{ type: 'action', action: 'Ran', parameter: 'ls', result: 'ok' }, 'active'],
    [{ type: 'elicitation', body: 'Which?' }, 'awaitingInput'],
    [{ type: 'response', body: 'Done' }, 'complete'],
    [{ type: 'error', body: 'Oh' }, 'error'],
  ])('derives the state from the last activity: %j', async (content, status) => {
    const client = appClient();
    const { session } = await linear.delegate(acme, issue, ann);
    expect((await client.agentSession(session.id)).status).toBe('pending');
    await client.createAgentActivity({ agentSessionId: session.id, content });
    expect((await client.agentSession(session.id)).status).toBe(status);
    clock.advance(31 * 60_000);
    expect((await client.agentSession(session.id)).status).toBe(status === 'active' ? 'stale' : status);
    const activities = await (await client.agentSession(session.id)).activities();
    expect(activities.nodes[0]?.content).toMatchObject(content);
  });

  it('refuses activities that are none', async () => {
    const client = appClient();
    const { session } = await linear.delegate(acme, issue, ann);
    const refused = (content: Record<string, unknown>, more: object = {}) =>
      expect(client.createAgentActivity({ agentSessionId: session.id, content, ...more })).rejects.toThrow();
    await refused({ type: 'prompt', body: 'x' });
    await refused({ type: 'thought' });
    await refused({ type: 'thought', body: '' });
    await refused({ type: 'response', body: 'x' }, { ephemeral: true });
    await refused({ type: 'thought', body: 'x' }, { id: 'mine' });
    await refused({ type: 'elicitation', body: 'x' }, { signal: 'auth' });
    await refused(
      { type: 'response', body: 'x' },
      { signal: 'select', signalMetadata: { options: [{ value: 'a' }] } },
    );
    expect(acme.activitiesOf(session.id)).toEqual([]);
  });

  it('takes an id once', async () => {
    const client = appClient();
    const { session } = await linear.delegate(acme, issue, ann);
    const input = { id: randomUUID(), agentSessionId: session.id, content: { type: 'thought', body: 'x' } };
    await client.createAgentActivity(input);
    await expect(client.createAgentActivity(input)).rejects.toThrow(/conflict/);
    linear.duplicates = 'same';
    await client.createAgentActivity(input);
    expect(acme.activitiesOf(session.id)).toHaveLength(1);
  });

  it('refuses what the scopes do not allow, what the schema does not have, and who is another organization', async () => {
    const reader = appClient(['read']);
    const { session } = await linear.delegate(acme, issue, ann);
    const thought = { agentSessionId: session.id, content: { type: 'thought', body: 'x' } };
    await expect(reader.createAgentActivity(thought)).rejects.toBeInstanceOf(ForbiddenLinearError);
    await expect(reader.client.rawRequest('{ viewer { shoeSize } }', {})).rejects.toThrow(/shoeSize/);
    const other = linear.addOrganization('other');
    const grant = {
      organizationId: other.id,
      userId: other.appUser.id,
      actor: 'app' as const,
      scopes: SCOPES,
    };
    await expect(clientOf(linear.logins.install(grant).accessToken).issue(issue.id)).rejects.toThrow(
      /not found/,
    );
  });

  it('says how much is left, and refuses what is more', async () => {
    linear.limits.configure({ requests: 1 });
    const client = appClient();
    const { headers } = await client.client.rawRequest('{ viewer { id } }', {});
    expect(headers?.get('x-ratelimit-requests-remaining')).toBe('0');
    await expect(client.viewer).rejects.toMatchObject({ status: 400 });
    expect(linear.limits.refused).toBe(1);
    clock.advance(3_600_000);
    expect((await client.viewer).app).toBe(true);
    linear.limits.configure({ complexity: 2 });
    await expect(client.users({ first: 250 })).rejects.toThrow();
  });

  it('fails as it is told to, before or after the effect', async () => {
    const client = appClient();
    const say = (): Promise<unknown> => client.createComment({ issueId: issue.id, body: 'x' });
    const count = (): number => acme.comments.size;
    linear.fail({ status: 500 });
    await expect(say()).rejects.toThrow();
    linear.fail({ mode: 'cut-before-head', match: { operation: 'commentCreate' } });
    await expect(say()).rejects.toThrow();
    expect(count()).toBe(0);
    linear.fail({ mode: 'lost-answer', match: { operation: 'commentCreate' } });
    await client.viewer;
    await expect(say()).rejects.toThrow();
    expect(count()).toBe(1);
  });
});

it('signs what it sends as the SDK checks it, and sends the same again', async () => {
  const taken: { body: Buffer; headers: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      taken.push({ body: Buffer.concat(chunks), headers: request.headers });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    linear.webhooks.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { session, delivery } = await linear.mention(acme, issue, ann, '@berth do it');
    await linear.prompt(acme, session, ann, 'Stop', 'stop');
    await linear.webhooks.again(delivery.id);
    expect(linear.webhooks.deliveries.map(({ status }) => status)).toEqual([200, 200, 200]);
    const checker = new LinearWebhookClient(linear.app.webhookSecret);
    for (const { body, headers } of taken) {
      expect(checker.verify(body, headers['linear-signature'] as string)).toBe(true);
      expect(headers['linear-signature']).toBe(
        createHmac('sha256', linear.app.webhookSecret).update(body).digest('hex'),
      );
    }
    const [created, stopped, again] = taken.map(
      ({ body }) => JSON.parse(body.toString()) as Record<string, unknown>,
    );
    expect(created).toMatchObject({ type: 'AgentSessionEvent', action: 'created', organizationId: acme.id });
    expect(stopped).toMatchObject({
      action: 'prompted',
      agentActivity: { signal: 'stop', user: { id: ann.id } },
    });
    expect(again).toEqual(created);
    expect(taken[2]?.headers['linear-delivery']).toBe(taken[0]?.headers['linear-delivery']);
  } finally {
    server.close();
  }
});

it('is steered over HTTP too', async () => {
  const control = (path: string, body: object) =>
    fetch(`${linear.url}/_control/linear/${path}`, { method: 'POST', body: JSON.stringify(body) });
  const told = await control('delegate', { organization: acme.id, issue: 'ENG-1', user: ann.id });
  const { session } = (await told.json()) as { session: { id: string } };
  await control('prompt', { organization: acme.id, session: session.id, user: ann.id, text: 'More' });
  expect((await control('prompt', { organization: acme.id, session: session.id })).status).toBe(400);
  const state = (await (await fetch(`${linear.url}/_control/linear`)).json()) as {
    organizations: { activities: unknown[] }[];
  };
  expect(state.organizations[0]?.activities).toHaveLength(1);
});
