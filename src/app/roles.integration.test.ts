import type { Api } from '../../test/support/api.js';
import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { expectProblem } from '../../test/support/problem.js';
import { call, furnish, KEY, routes, seen, withIds, type Things } from '../../test/support/tenant-routes.js';
import type { ApiKeyView, WorkspaceView } from '../contracts/index.js';
import { systemIds } from '../kernel/index.js';

let berth: TestApp;
let acme: TestOrganization;
let things: Things;

beforeAll(async () => {
  berth = await startTestApp();
  acme = await berth.founded('acme');
  things = await furnish(berth, acme);
});
afterAll(() => berth.close());

describe('roles', () => {
  let [member, colleague, admin]: TestMember[] = [];
  beforeAll(async () => {
    [member, colleague, admin] = await Promise.all(
      (['member', 'member', 'admin'] as const).map((role) => berth.member(acme, role)),
    );
  });
  const of = (person: TestMember | undefined): Api => {
    if (!person) throw new Error('beforeAll has not run');
    return person.api;
  };

  it('are asked for by the routes that are for admins', async () => {
    for (const route of routes.filter(({ contract }) => contract.access === 'admin')) {
      expectProblem(await call(of(member), route, acme.slug, things), 403, 'forbidden');
    }
  });

  it.each<[string, string, object | undefined]>([
    ['PUT', '/credentials/organization/anthropic_api_key', KEY],
    ['DELETE', '/credentials/organization/anthropic_api_key', undefined],
  ])('a member may not %s %s', async (method, path, body) => {
    expectProblem(await of(member).call(method, of(member).path(path), body), 403, 'forbidden');
  });

  it("a member may not ask about another member's credentials, an admin may", async () => {
    const path = of(member).path(`/credentials/resolution?agent=claude&userId=${colleague?.userId ?? ''}`);
    expectProblem(await of(member).call('GET', path), 403, 'forbidden');
    await of(colleague).get(path);
    await of(admin).get(path);
  });

  it.each(['member', 'admin', 'owner'] as const)(
    '%s of an organization does not administer the instance',
    async (role) => {
      const { api } = await berth.member(acme, role);
      expectProblem(
        await api.call('POST', '/api/v1/organizations', { name: 'Mine', slug: 'mine' }),
        403,
        'forbidden',
      );
    },
  );

  it("a member neither sees nor deletes another's API keys; an admin does both", async () => {
    const { body } = await of(colleague).post<ApiKeyView>(
      of(colleague).path('/api-keys'),
      { name: 'private' },
      201,
    );
    const path = of(member).path(`/api-keys/${body.id}`);
    const ids = async (api: Api) =>
      (await api.get<{ items: ApiKeyView[] }>(api.path('/api-keys?limit=100'))).body.items.map(
        ({ id }) => id,
      );
    expect(await ids(of(member))).toEqual([member?.apiKeyId]);
    expectProblem(await of(member).call('DELETE', path), 404, 'not-found');
    expect(await ids(of(admin))).toContain(body.id);
    await of(admin).call('DELETE', path, undefined, 204);
    expect(await ids(of(colleague))).not.toContain(body.id);
  });

  it("a member sees the organization's credentials and their own, not a colleague's", async () => {
    await of(colleague).setCredential('user', 'openai_api_key', {
      apiKey: 'sk-proj-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
    });
    await of(admin).setCredential('organization', 'openai_api_key', {
      apiKey: 'sk-proj-organization-Xd5Me9Kf2',
    });
    const { body } = await of(member).get<{ items: { scope: string; kind: string }[] }>(
      of(member).path('/credentials'),
    );
    expect(body.items.map(({ scope, kind }) => `${scope}/${kind}`)).toEqual(['organization/openai_api_key']);
    expectProblem(
      await of(member).call('DELETE', of(member).path('/credentials/user/openai_api_key')),
      404,
      'not-found',
    );
  });

  const ofWorkspaces = withIds.filter(({ contract }) => contract.path.includes('/workspaces/{id}'));
  it.each(ofWorkspaces)("$name: another member's workspace does not exist for a member", async (route) => {
    const foreign = await call(of(member), route, acme.slug, things);
    expectProblem(foreign, 404, 'not-found');
    expect(seen(foreign)).toEqual(
      seen(await call(of(member), route, acme.slug, { ...things, workspaceId: systemIds.next() })),
    );
  });

  it('lists only their own workspaces to a member, all to an admin', async () => {
    const list = async (api: Api) =>
      (await api.get<{ items: WorkspaceView[] }>(api.path('/workspaces'))).body.items.map(({ id }) => id);
    expect(await list(of(member))).toEqual([]);
    expect(await list(of(admin))).toEqual([things.workspaceId]);
  });

  /** What an admin may do with it: see that it is there, put it to sleep, delete it. Everything else is reading or speaking. */
  const administration = [
    'showWorkspaceRoute',
    'listOperationsRoute',
    'hibernateWorkspaceRoute',
    'deleteWorkspaceRoute',
  ];
  it.each(ofWorkspaces.filter(({ name }) => !administration.includes(name)))(
    "$name: an admin may not, in another's workspace",
    async (route) => {
      expectProblem(await call(of(admin), route, acme.slug, things), 403, 'forbidden');
    },
  );

  it('an admin sees it, and may put it to sleep and delete it', async () => {
    const path = of(admin).path(`/workspaces/${things.workspaceId}`);
    expect((await of(admin).get<WorkspaceView>(path)).body.owner.id).toBe(acme.owner.userId);
    await of(admin).get(`${path}/operations`);
    await of(admin).post(`${path}/hibernate`, undefined, 202);
    await of(admin).call('DELETE', path, undefined, 202);
  });
});
