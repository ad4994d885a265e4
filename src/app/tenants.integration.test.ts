import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { expectProblem } from '../../test/support/problem.js';
import { rowCounts, withClient } from '../../test/support/tables.js';
import {
  call,
  furnish,
  nothing,
  routes,
  seen,
  withIds,
  type Things,
} from '../../test/support/tenant-routes.js';
import type { ApiKeyView, MessageView } from '../contracts/index.js';
import { newApiKey } from '../identity/api-key.js';
import { systemIds } from '../kernel/index.js';

let berth: TestApp;
let acme: TestOrganization;
let other: TestOrganization;
let things: Things;

beforeAll(async () => {
  berth = await startTestApp();
  [acme, other] = [await berth.founded('acme'), await berth.founded('other')];
  things = await furnish(berth, acme);
});
afterAll(() => berth.close());

describe("another organization's key", () => {
  let before: Record<string, number>;
  beforeAll(async () => {
    before = await rowCounts(berth.database.ownerUrl);
  });

  it.each(routes)('$name answers as if this organization did not exist', async (route) => {
    for (const org of [acme.slug, acme.id, acme.slug.toUpperCase()]) {
      const foreign = await call(other.owner.api, route, org, things);
      expectProblem(foreign, 404, 'not-found');
      expect(seen(foreign)).toEqual(seen(await call(other.owner.api, route, 'no-such-organization', things)));
    }
  });

  it.each(withIds)('$name does not find their things in the own organization', async (route) => {
    const foreign = await call(other.owner.api, route, other.slug, things);
    expectProblem(foreign, 404, 'not-found');
    expect(seen(foreign)).toEqual(seen(await call(other.owner.api, route, other.slug, nothing())));
  });

  it('does not find a member of theirs', async () => {
    const path = other.owner.api.path(`/credentials/resolution?agent=claude&userId=${acme.owner.userId}`);
    expectProblem(await other.owner.api.call('GET', path), 404, 'not-found');
  });

  it('does not find their message in an own workspace', async () => {
    const own = await furnish(berth, other);
    before = await rowCounts(berth.database.ownerUrl);
    const path = other.owner.api.path(`/workspaces/${own.workspaceId}/messages/${things.messageId}/cancel`);
    expectProblem(await other.owner.api.call('POST', path), 404, 'not-found');
    const after = await other.owner.api.get<{ items: MessageView[] }>(
      other.owner.api.path(`/workspaces/${own.workspaceId}/messages?cursor=${things.messageId}`),
    );
    expect(after.body.items.map(({ text }) => text)).toEqual(['first']);
  });

  it('lists nothing of theirs', async () => {
    const lists = ['/members', '/invitations', '/api-keys', '/credentials', '/workspaces'];
    for (const list of lists) {
      const { body } = await other.owner.api.get<{ items: object[] }>(other.owner.api.path(list));
      const text = JSON.stringify(body);
      for (const id of [acme.id, acme.owner.userId, things.workspaceId, things.apiKeyId, acme.owner.apiKeyId])
        expect(text).not.toContain(id);
    }
  });

  it('has left nothing behind', async () => {
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
    const workspace = await acme.owner.api.workspace(things.workspaceId);
    expect(workspace).toMatchObject({ name: 'name', desiredState: 'running' });
  });

  it('of a person who is in both reaches only its own', async () => {
    const both = await berth.member(other, 'admin');
    await withClient(berth.database.ownerUrl, (client) =>
      client.query(
        `INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, 'owner', now())`,
        [acme.id, both.userId],
      ),
    );
    expectProblem(await both.api.call('GET', `/api/v1/organizations/${acme.slug}`), 404, 'not-found');
    const me = await both.api.get<{ organizations: { slug: string }[] }>('/api/v1/me');
    expect(me.body.organizations.map(({ slug }) => slug)).toEqual(['other']);
  });
});

describe('a key that is not one', () => {
  it.each(routes)('$name is refused to expired, deleted, unknown and missing keys', async (route) => {
    const answers = await Promise.all(
      [
        expired,
        deleted,
        `berth_abcdefgh_${'a'.repeat(43)}`,
        'berth_',
        acme.owner.apiKey.slice(0, -1),
        null,
      ].map((key) => call(berth.api(key), route, acme.slug, things)),
    );
    const [first] = answers;
    for (const answer of answers) {
      expectProblem(answer, 401, 'unauthenticated');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="Berth"');
      expect(seen(answer)).toEqual(first && seen(first));
    }
  });

  it('is refused before anything is said about the organization or the input', async () => {
    expectProblem(await berth.api(null).call('GET', '/api/v1/organizations/no-such-organization'), 401);
    expectProblem(
      await berth.api(expired).call('POST', '/api/v1/organizations/acme/workspaces', { wrong: true }),
      401,
    );
  });

  it('is refused from the moment its member is gone', async () => {
    const leaver = await berth.member(acme, 'member');
    await leaver.api.get('/api/v1/me');
    await withClient(berth.database.ownerUrl, (client) =>
      client.query('DELETE FROM member WHERE user_id = $1', [leaver.userId]),
    );
    expectProblem(await leaver.api.call('GET', '/api/v1/me'), 401);
  });

  // In a query it would end up in logs and histories.
  it.each<[string, string, string, object | undefined]>([
    ['in the query', 'GET', '/api-keys?access_token=KEY', undefined],
    ['in the query, twice', 'GET', '/api-keys?access_token=KEY&access_token=KEY', undefined],
    ['in the body', 'POST', '/api-keys', { access_token: 'KEY', name: 'x' }],
    ['in the body, not as text', 'POST', '/api-keys', { access_token: ['KEY'], name: 'x' }],
  ])('is what stands %s', async (_, method, path, body) => {
    const put = (text: string): string => text.replaceAll('KEY', acme.owner.apiKey);
    const sent = body && (JSON.parse(put(JSON.stringify(body))) as object);
    expectProblem(
      await berth.api(null, 'acme').call(method, acme.owner.api.path(put(path)), sent),
      401,
      'unauthenticated',
    );
  });

  it('is a machine token that is not text', async () => {
    const answer = await berth
      .api(null)
      .call('POST', '/internal/v1/proxy/lease?access_token=a&access_token=b', { access_token: {} });
    expectProblem(answer, 401, 'unauthenticated');
  });

  let expired: string;
  let deleted: string;
  beforeAll(async () => {
    const { owner } = acme;
    const gone = await owner.api.post<ApiKeyView & { apiKey: string }>(
      owner.api.path('/api-keys'),
      { name: 'to be deleted' },
      201,
    );
    await berth.api(gone.body.apiKey, 'acme').get('/api/v1/me');
    await owner.api.call('DELETE', owner.api.path(`/api-keys/${gone.body.id}`), undefined, 204);
    deleted = gone.body.apiKey;
    const { text, prefix, hash } = newApiKey(berth.world.random);
    expired = text;
    await withClient(berth.database.ownerUrl, (client) =>
      client.query(
        `INSERT INTO api_key (id, organization_id, user_id, name, prefix, hash, expires_at, created_at)
         VALUES ($1, $2, $3, 'expired', $4, $5, now() - interval '1 second', now())`,
        [systemIds.next(), acme.id, owner.userId, prefix, hash],
      ),
    );
  });
});
