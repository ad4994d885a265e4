import { newApiKey } from '../../src/identity/api-key.js';
import { systemIds } from '../../src/kernel/index.js';
import { startTestApp, type TestApp, type TestMember, type TestOrganization } from '../support/app.js';
import { bodiesInTime } from '../support/mutations.js';
import { rowCounts, withClient } from '../support/tables.js';
import {
  call,
  furnish,
  nothing,
  routes,
  seen,
  type TenantRoute,
  type Things,
} from '../support/tenant-routes.js';
import { figure, type Findings } from './figure.js';

/** What a caller of one role gets for something of the owner's: `ok` is any answer that does what was asked. */
type Cell = 'ok' | 403 | 404;
/** Route: what a member, an admin and an owner get. */
const matrix: Record<string, [member: Cell, admin: Cell, owner: Cell]> = {
  showOrganizationRoute: ['ok', 'ok', 'ok'],
  listMembersRoute: ['ok', 'ok', 'ok'],
  listApiKeysRoute: ['ok', 'ok', 'ok'],
  createApiKeyRoute: ['ok', 'ok', 'ok'],
  listInvitationsRoute: [403, 'ok', 'ok'],
  createInvitationRoute: [403, 'ok', 'ok'],
  showLimitsRoute: ['ok', 'ok', 'ok'],
  updateLimitsRoute: [403, 403, 403],
  listAuditRoute: [403, 'ok', 'ok'],
  verifyAuditRoute: [403, 'ok', 'ok'],
  exportAuditRoute: [403, 'ok', 'ok'],
  listCredentialsRoute: ['ok', 'ok', 'ok'],
  putCredentialRoute: ['ok', 'ok', 'ok'],
  showCredentialRoute: ['ok', 'ok', 'ok'],
  listRotationsRoute: ['ok', 'ok', 'ok'],
  beginAuthorizationRoute: ['ok', 'ok', 'ok'],
  showAuthorizationRoute: ['ok', 'ok', 'ok'],
  completeAuthorizationRoute: ['ok', 'ok', 'ok'],
  rotateCredentialRoute: ['ok', 'ok', 'ok'],
  showCredentialPolicyRoute: ['ok', 'ok', 'ok'],
  setCredentialPolicyRoute: [403, 'ok', 'ok'],
  showEgressPolicyRoute: ['ok', 'ok', 'ok'],
  setEgressPolicyRoute: [403, 'ok', 'ok'],
  usageRoute: ['ok', 'ok', 'ok'],
  listBudgetsRoute: [403, 'ok', 'ok'],
  createBudgetRoute: [403, 'ok', 'ok'],
  showBudgetRoute: [403, 'ok', 'ok'],
  putBudgetRoute: [403, 'ok', 'ok'],
  resolutionRoute: ['ok', 'ok', 'ok'],
  showIntegrationsRoute: ['ok', 'ok', 'ok'],
  showGithubRoute: ['ok', 'ok', 'ok'],
  listGithubRepositoriesRoute: ['ok', 'ok', 'ok'],
  connectGithubRoute: [403, 'ok', 'ok'],
  showLinearRoute: ['ok', 'ok', 'ok'],
  connectLinearRoute: [403, 'ok', 'ok'],
  listMappingsRoute: ['ok', 'ok', 'ok'],
  createMappingRoute: [403, 'ok', 'ok'],
  showMappingRoute: ['ok', 'ok', 'ok'],
  putMappingRoute: [403, 'ok', 'ok'],
  patchMappingRoute: [403, 'ok', 'ok'],
  showPreferencesRoute: ['ok', 'ok', 'ok'],
  patchPreferencesRoute: ['ok', 'ok', 'ok'],
  listDeliveriesRoute: ['ok', 'ok', 'ok'],
  listConversationsRoute: [403, 'ok', 'ok'],
  resumeConversationRoute: [403, 'ok', 'ok'],
  createWorkspaceRoute: ['ok', 'ok', 'ok'],
  listWorkspacesRoute: ['ok', 'ok', 'ok'],
  showWorkspaceRoute: [404, 'ok', 'ok'],
  updateWorkspaceRoute: [404, 403, 'ok'],
  wakeWorkspaceRoute: [404, 403, 'ok'],
  listOperationsRoute: [404, 'ok', 'ok'],
  sendMessageRoute: [404, 403, 'ok'],
  listMessagesRoute: [404, 403, 'ok'],
  cancelMessageRoute: [404, 403, 'ok'],
  eventsRoute: [404, 403, 'ok'],
  hibernateWorkspaceRoute: [404, 'ok', 'ok'],
  updateMemberRoute: [403, 'ok', 'ok'],
  // What is taken away comes last.
  deleteCredentialRoute: ['ok', 'ok', 'ok'],
  deleteWorkspaceRoute: [404, 'ok', 'ok'],
  deleteInvitationRoute: [403, 'ok', 'ok'],
  deleteBudgetRoute: [403, 'ok', 'ok'],
  deleteMappingRoute: [403, 'ok', 'ok'],
  disconnectGithubRoute: [403, 'ok', 'ok'],
  disconnectLinearRoute: [403, 'ok', 'ok'],
  deleteApiKeyRoute: [404, 'ok', 'ok'],
  removeMemberRoute: [403, 'ok', 'ok'],
};
const order = Object.keys(matrix);
const inOrder = (): TenantRoute[] =>
  routes.filter(({ name }) => name in matrix).sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));

let berth: TestApp;
let acme: TestOrganization;
let other: TestOrganization;
beforeAll(async () => {
  berth = await startTestApp();
  [acme, other] = [await berth.founded('acme'), await berth.founded('other')];
});
afterAll(() => berth.close());

figure(
  {
    id: 'F6',
    scenario: 'every route of an organization, called by every role and with every wrong token',
    line: 'as the matrix says; foreign is 404, byte for byte as if it did not exist; every route has its row',
    rounds: { small: 1, full: 10 },
    countedAt: 'the answers as they came, and the rows of all tables',
    time: 'real',
    fullMinutes: 30,
  },
  async (findings) => {
    findings.tried = 0;
    for (const { name } of routes)
      findings.expect(name in matrix, `${name} has no row in the matrix of F6: who may call it?`);
    for (let round = 0; round < findings.rounds; round++) {
      await wrongTokens(findings);
      for (const [column, role] of (['member', 'admin', 'owner'] as const).entries())
        await inRole(findings, column, await berth.member(acme, role));
    }
    const booked = await refusalsOf([other.owner.userId]);
    findings.number('routes', routes.length);
    findings.number('refusals of the other tenant in the audit log', booked);
    findings.expect(booked > 0, 'no refused attempt of the other tenant is in the audit log');
  },
);

/** Each route with what does not open it: nothing may be seen, and nothing may change. */
async function wrongTokens(findings: Findings): Promise<void> {
  const things = await furnish(berth, acme);
  const removed = await berth.member(acme, 'admin');
  await acme.owner.api.call('DELETE', acme.owner.api.path(`/members/${removed.userId}`), undefined, 204);
  const dead = [
    null,
    await expiredKey(acme.owner),
    await revokedKey(),
    removed.apiKey,
    newApiKey(berth.world.random).text,
  ];
  const before = await rowCounts(berth.database.ownerUrl);
  for (const route of inOrder()) {
    const unknown = seen(await call(other.owner.api, route, 'no-such-organization', things));
    for (const org of [acme.slug, acme.id]) {
      const foreign = await call(other.owner.api, route, org, things);
      same(findings, `${route.name}: a foreign organization`, seen(foreign), unknown, foreign.status, 404);
    }
    if (/\{(id|messageId|userId)\}/.test(route.contract.path)) {
      const theirs = await call(other.owner.api, route, other.slug, things);
      const missing = await call(other.owner.api, route, other.slug, nothing());
      same(findings, `${route.name}: a foreign id`, seen(theirs), seen(missing), theirs.status, 404);
    }
    const nobody = seen(await call(berth.api(null), route, acme.slug, things));
    for (const key of dead) {
      const answer = await call(berth.api(key), route, acme.slug, things);
      same(findings, `${route.name}: a dead key`, seen(answer), nobody, answer.status, 401);
    }
  }
  await elsewhere(findings, things);
  const after = await rowCounts(berth.database.ownerUrl);
  for (const [table, rows] of Object.entries(before))
    findings.expect(
      after[table] === rows,
      `${table} had ${rows} rows and has ${after[table]} after refusals`,
    );
}

/** Foreign ids where they are no part of the path: query, body, and the number to resume after. */
async function elsewhere(findings: Findings, things: Things): Promise<void> {
  const { api } = other.owner;
  const pairs: [string, string, string, unknown?, unknown?][] = [
    [
      'GET',
      `/credentials/resolution?agent=claude&userId=${acme.owner.userId}`,
      `/credentials/resolution?agent=claude&userId=${systemIds.next()}`,
    ],
    [
      'GET',
      `/workspaces/${things.workspaceId}/events?after=1`,
      `/workspaces/${systemIds.next()}/events?after=1`,
    ],
  ];
  for (const [method, theirs, missing] of pairs) {
    const [left, right] = [
      await api.call(method, api.path(theirs)),
      await api.call(method, api.path(missing)),
    ];
    same(findings, `${method} ${theirs}`, seen(left), seen(right), left.status, left.status);
    const text = JSON.stringify(left.body);
    for (const id of [acme.id, acme.owner.userId, things.messageId, things.apiKeyId])
      findings.expect(!text.includes(id), `${method} ${theirs} told of ${id}`);
  }
  for (const path of [`/workspaces?cursor=${things.workspaceId}`, `/members?cursor=${acme.owner.userId}`]) {
    const text = JSON.stringify((await api.call('GET', api.path(path))).body);
    findings.tried += 1;
    for (const id of [acme.id, acme.owner.userId, things.workspaceId])
      findings.expect(!text.includes(id), `GET ${path} told of ${id}`);
  }
  const resume = (id: string) =>
    fetch(`${berth.url}${api.path(`/workspaces/${id}/events`)}`, {
      headers: {
        authorization: `Bearer ${other.owner.apiKey}`,
        accept: 'text/event-stream',
        'last-event-id': '1',
      },
    });
  const stream = await resume(things.workspaceId);
  findings.tried += 1;
  findings.expect(stream.status === 404, `a foreign stream was resumed with ${stream.status}`);
  await stream.body?.cancel();
  const fields = { ownerId: acme.owner.userId, organizationId: acme.id, shared: true };
  for (const [field, value] of Object.entries(fields)) {
    const body = { repository: 'owner/name', [field]: value };
    const answer = await api.call('POST', api.path('/workspaces'), body);
    findings.tried += 1;
    findings.expect(answer.status === 422, `a workspace was made with ${field}: ${answer.status}`);
  }
}

/** How many refused attempts of these persons the audit log holds; they are booked beside the answer, up to a number per person and minute. */
function refusalsOf(userIds: string[]): Promise<number> {
  return berth.api(null).poll('refusals are booked', () =>
    withClient(berth.database.ownerUrl, async (client) => {
      const { rows } = await client.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM audit_entry WHERE action = 'access.refused' AND actor_id = ANY ($1)`,
        [userIds],
      );
      const n = rows[0]?.n ?? 0;
      return n > 0 ? n : null;
    }),
  );
}

async function inRole(findings: Findings, column: number, person: TestMember): Promise<void> {
  const things = await furnish(berth, acme);
  for (const route of inOrder()) {
    const expected = matrix[route.name]?.[column];
    const caller = person.role === 'owner' ? acme.owner : person;
    if (person.role !== 'owner' && route.name === 'createWorkspaceRoute')
      await caller.api.setCredential('user', 'anthropic_api_key', {
        apiKey: `sk-ant-api03-${'r'.repeat(40)}`,
      });
    const inTime = await bodiesInTime[route.name]?.(berth, { ...acme, owner: caller });
    const { status } = await call(caller.api, route, acme.slug, things, inTime);
    findings.tried += 1;
    const fits = expected === 'ok' ? status >= 200 && status < 300 : status === expected;
    findings.expect(fits, `${route.name} as ${person.role}: ${status}, not ${expected}`);
  }
}

function same(
  findings: Findings,
  what: string,
  left: unknown,
  right: unknown,
  status: number,
  expected: number,
): void {
  findings.tried += 1;
  findings.expect(status === expected, `${what}: ${status}, not ${expected}`);
  findings.expect(
    JSON.stringify(left) === JSON.stringify(right),
    `${what}: ${JSON.stringify(left)} and not ${JSON.stringify(right)}`,
  );
}

async function revokedKey(): Promise<string> {
  const { api } = acme.owner;
  const { body } = await api.post<{ id: string; apiKey: string }>(
    api.path('/api-keys'),
    { name: 'gone' },
    201,
  );
  await api.call('DELETE', api.path(`/api-keys/${body.id}`), undefined, 204);
  return body.apiKey;
}

async function expiredKey({ userId }: TestMember): Promise<string> {
  const { text, prefix, hash } = newApiKey(berth.world.random);
  await withClient(berth.database.ownerUrl, (client) =>
    client.query(
      `INSERT INTO api_key (id, organization_id, user_id, name, prefix, hash, expires_at, created_at)
       VALUES ($1, $2, $3, 'expired', $4, $5, now() - interval '1 second', now())`,
      [systemIds.next(), acme.id, userId, prefix, hash],
    ),
  );
  return text;
}

figure(
  {
    id: 'F6 timing',
    scenario: 'a foreign workspace and one that does not exist, asked for in turn by another tenant',
    line: 'how long the answer takes does not tell which it was: the order of two answers is a coin toss, within 10 percentage points',
    rounds: { small: 150, full: 5000 },
    countedAt: 'the caller’s clock',
    time: 'real',
    fullMinutes: 10,
  },
  async (findings) => {
    const things = await furnish(berth, acme);
    const { api } = other.owner;
    const took = async (id: string): Promise<number> => {
      const begun = performance.now();
      await api.call('GET', api.path(`/workspaces/${id}`));
      return performance.now() - begun;
    };
    for (let warm = 0; warm < 20; warm++) await took(systemIds.next());
    const [foreign, missing]: [number[], number[]] = [[], []];
    for (let round = 0; round < findings.rounds; round++) {
      // Side by side and in changing order, so that what else the machine does falls on both alike.
      const pair = [
        async () => foreign.push(await took(things.workspaceId)),
        async () => missing.push(await took(systemIds.next())),
      ];
      for (const ask of round % 2 ? pair : pair.reverse()) await ask();
    }
    const share = slower(foreign, missing);
    findings.number('foreign slower, % of pairs', Math.round(share * 1000) / 10);
    findings.number('foreign p50 ms', median(foreign));
    findings.number('missing p50 ms', median(missing));
    // Of 150 against 150 equal distributions, chance alone stays within 0.4 to 0.6 in 997 of 1,000 runs (Mann and Whitney).
    findings.expect(
      Math.abs(share - 0.5) <= 0.1,
      `the foreign one is slower in ${share * 100} % of all pairs`,
    );
  },
);

/** In how many of all pairs the left is larger: Mann and Whitney's U over the number of pairs. One half says that neither is known by its size. */
function slower(left: number[], right: number[]): number {
  const ascending = [...right].sort((a, b) => a - b);
  const below = (value: number): number => {
    let [low, high] = [0, ascending.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ascending[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return left.reduce((sum, value) => sum + below(value), 0) / (left.length * right.length);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[sorted.length >> 1] ?? 0) * 100) / 100;
}
