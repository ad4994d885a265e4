import { startTestApp, type TestApp } from '../../test/support/app.js';
import { eventually } from '../../test/support/eventually.js';
import { request } from '../../test/support/http.js';
import { OwnPostgres } from '../../test/support/own-postgres.js';

describe('readiness', () => {
  let postgres: OwnPostgres;
  let berth: TestApp;
  beforeAll(async () => {
    postgres = await OwnPostgres.start();
    berth = await startTestApp();
  });
  afterAll(async () => {
    await berth.close();
    await postgres.remove();
  });

  const ready = () => request<{ code: string; detail: string }>(`${berth.url}/readyz`);

  it('says within seconds that the database is silent, to each who asks, and is ready again by itself', async () => {
    expect((await ready()).status).toBe(200);
    await postgres.pause();
    try {
      const begun = performance.now();
      for (const { status, body } of await Promise.all(Array.from({ length: 30 }, ready))) {
        expect([status, body.code]).toEqual([503, 'not-ready']);
        expect(body.detail).toContain('the database does not answer');
      }
      expect(performance.now() - begun).toBeLessThan(4000);
      expect((await request(`${berth.url}/healthz`)).status).toBe(200);
    } finally {
      await postgres.resume();
    }
    await eventually('it is ready', async () => (await ready()).status === 200, 10);
  });
});
