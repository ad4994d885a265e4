import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { machinesOf } from '../../test/support/machines.js';
import { rowCounts } from '../../test/support/tables.js';
import { Reconciler } from '../workspaces/reconciler.js';

/** What a Berth answers whose database a newer one has migrated. */
describe('a Berth with a database newer than itself', () => {
  let berth: TestApp;
  let acme: TestOrganization;
  beforeAll(async () => {
    berth = await startTestApp();
    acme = await berth.founded('acme');
  });
  afterAll(() => berth.close());

  it('answers people and machines 503 with its own code, says so to who asks how it does, and writes nothing', async () => {
    const { api } = acme.owner;
    await api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'x'.repeat(40)}` });
    const { id } = await api.createWorkspace({ repository: 'acme/app' });
    await berth.app
      .get(Reconciler, { strict: false })
      .reconcile({ organizationId: acme.id, workspaceId: id });
    const { runner } = await machinesOf(berth, id);
    berth.parts.readiness.isOutdated = true;
    try {
      const before = await rowCounts(berth.database.ownerUrl);
      for (const [method, path, body] of [
        ['POST', api.path('/workspaces'), { repository: 'acme/app' }],
        ['POST', api.path(`/workspaces/${id}/messages`), { text: 'hello' }],
        ['DELETE', api.path(`/workspaces/${id}`), undefined],
        ['GET', api.path('/workspaces'), undefined],
        ['POST', '/api/v1/setup', {}],
        ['POST', '/internal/v1/runner/claim', {}],
        ['GET', '/readyz', undefined],
      ] as const) {
        const { status, body: problem, headers } = await api.call<{ code: string }>(method, path, body);
        expect([path, status, problem.code]).toEqual([path, 503, 'database-newer']);
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
      await expect(runner.start()).rejects.toThrow('503');
      expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
      expect((await api.call('GET', '/healthz')).status).toBe(200);
    } finally {
      berth.parts.readiness.isOutdated = false;
    }
    await api.get(api.path('/workspaces'));
  });
});
