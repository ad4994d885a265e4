import * as contracts from '../../src/contracts/index.js';
import type { ApiKeyView, RouteContract } from '../../src/contracts/index.js';
import { systemIds } from '../../src/kernel/index.js';
import type { Api } from './api.js';
import type { TestApp, TestOrganization } from './app.js';
import { writeConversation } from './conversations.js';

/** A credential as it is set. */
export const KEY = { apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2' };

/** A body that each route with a body takes. A new route without one fails below, so that none is left out. */
const bodies: Record<string, object> = {
  createApiKeyRoute: { name: 'mine' },
  updateMemberRoute: { role: 'member' },
  createInvitationRoute: { email: 'grace@example.com', role: 'member' },
  putCredentialRoute: KEY,
  createWorkspaceRoute: { repository: 'owner/name', message: 'hello' },
  updateWorkspaceRoute: { name: 'renamed' },
  sendMessageRoute: { text: 'hello' },
  updateLimitsRoute: { running: 5 },
  completeAuthorizationRoute: { code: 'code#state' },
  createBudgetRoute: { scope: 'organization', limitUsd: 100, period: 'month' },
  putBudgetRoute: { scope: 'organization', limitTokens: 1_000_000, period: 'day' },
  setCredentialPolicyRoute: { organizationFallback: false },
  /** Of another repository each time: one that is there already is refused for that. */
  get createMappingRoute() {
    return { linearTeamKey: 'ENG', repository: `acme/${systemIds.next()}` };
  },
  putMappingRoute: {
    linearTeamKey: 'ENG',
    repository: 'acme/gadgets',
    provider: 'bedrock',
    awsRegion: 'us-east-1',
  },
  patchMappingRoute: { branch: 'develop' },
  patchPreferencesRoute: { agent: 'codex', model: null },
  setEgressPolicyRoute: { allowedHosts: ['registry.example.com'] },
};
/** Of routes that are not for every kind of credential. */
const kindsOf: Record<string, string> = {
  rotateCredentialRoute: 'claude_oauth',
  beginAuthorizationRoute: 'claude_oauth',
  showAuthorizationRoute: 'claude_oauth',
  completeAuthorizationRoute: 'claude_oauth',
};
const queries: Record<string, string> = { resolutionRoute: '?agent=claude' };

/** Ids of things, none of which exists. */
export const nothing = (): Things => ({
  workspaceId: systemIds.next(),
  messageId: systemIds.next(),
  apiKeyId: systemIds.next(),
  userId: systemIds.next(),
  invitationId: systemIds.next(),
  budgetId: systemIds.next(),
  mappingId: systemIds.next(),
  conversationId: systemIds.next(),
});

/** Ids of things of one organization, for the path parameters. */
export interface Things {
  workspaceId: string;
  messageId: string;
  apiKeyId: string;
  /** A member who is not the owner. */
  userId: string;
  invitationId: string;
  budgetId: string;
  mappingId: string;
  /** A paused one. */
  conversationId: string;
}

export interface TenantRoute {
  name: string;
  contract: RouteContract;
}

/** Every route of an organization. */
export const routes: TenantRoute[] = Object.entries(contracts as Record<string, unknown>)
  .filter(([name]) => name.endsWith('Route'))
  .map(([name, contract]) => ({ name, contract: contract as RouteContract }))
  .filter(({ contract }) => contract.path.includes('{org}'));
/** Those that name a thing of the organization in their path. */
export const withIds = routes.filter(({ contract }) => /\{(id|messageId|userId)\}/.test(contract.path));

/** The route's path with every parameter filled in. */
function pathOf({ name, contract }: TenantRoute, org: string, things: Things): string {
  const values: Record<string, string> = {
    org,
    id: idOf(contract.path, things),
    userId: things.userId,
    messageId: things.messageId,
    scope: 'user',
    kind: kindsOf[name] ?? 'anthropic_api_key',
  };
  const path = contract.path.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value = values[parameter];
    if (value === undefined) throw new Error(`Teach this test a value for {${parameter}} of ${name}.`);
    return encodeURIComponent(value);
  });
  return path + (queries[name] ?? '');
}

function idOf(path: string, things: Things): string {
  if (path.includes('/api-keys/')) return things.apiKeyId;
  if (path.includes('/budgets/')) return things.budgetId;
  if (path.includes('/conversations/')) return things.conversationId;
  if (path.includes('/mappings/')) return things.mappingId;
  return path.includes('/invitations/') ? things.invitationId : things.workspaceId;
}

/** A valid request to a route of an organization. */
export function requestTo(route: TenantRoute, org: string, things: Things) {
  const { method, body } = route.contract;
  if (body && !bodies[route.name]) throw new Error(`Teach this test a valid body for ${route.name}.`);
  return { method, path: pathOf(route, org, things), body: body ? bodies[route.name] : undefined };
}

/** Calls a route of an organization with valid input; with another body where one holds only for a moment. */
export function call(api: Api, route: TenantRoute, org: string, things: Things, inTime?: object) {
  const { method, path, body } = requestTo(route, org, things);
  return api.call(method, path, inTime ?? body);
}

/** What tells of the caller's own moment and not of what was asked for. */
const OF_THE_MOMENT = ['x-request-id', 'date', 'ratelimit-remaining', 'ratelimit-reset'];

/** All that can be seen of an answer but its request id, the time, and how many requests are left. */
export function seen(answer: Awaited<ReturnType<typeof call>>): unknown {
  const { requestId: _, ...body } = answer.body as { requestId?: string };
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !OF_THE_MOMENT.includes(name)));
  return { status: answer.status, body, headers };
}

/** An organization's owner makes a workspace with a message, has a credential and a key, has invited somebody, and is not alone. */
export async function furnish(berth: TestApp, organization: TestOrganization): Promise<Things> {
  const { owner } = organization;
  await owner.api.setCredential('user', 'anthropic_api_key', KEY);
  // A login that somebody began to connect; the link needs nobody to answer.
  await owner.api.post(owner.api.path('/credentials/user/claude_oauth/authorization'), undefined, 201);
  const workspace = await owner.api.createWorkspace({ repository: 'owner/name', message: 'first' });
  const [message] = await owner.api.messages(workspace.id);
  const key = await owner.api.post<ApiKeyView>(owner.api.path('/api-keys'), { name: 'second key' }, 201);
  const invitation = await owner.api.post<{ id: string }>(
    owner.api.path('/invitations'),
    { email: 'invited@example.com', role: 'member' },
    201,
  );
  const budget = await owner.api.post<{ id: string }>(
    owner.api.path('/budgets'),
    { scope: 'organization', limitUsd: 1000, period: 'month' },
    201,
  );
  const mapping = await owner.api.post<{ id: string }>(
    owner.api.path('/mappings'),
    // Another each time: one organization may be furnished for each of its roles.
    { linearTeamKey: 'OPS', repository: `acme/ops-${systemIds.next().slice(-8)}` },
    201,
  );
  const { userId } = await berth.member(organization, 'member');
  return {
    workspaceId: workspace.id,
    messageId: message?.id ?? '',
    apiKeyId: key.body.id,
    userId,
    invitationId: invitation.body.id,
    budgetId: budget.body.id,
    conversationId: await writeConversation(berth.database.ownerUrl, organization.id, { state: 'paused' }),
    mappingId: mapping.body.id,
  };
}
