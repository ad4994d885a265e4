import { startTestApp } from '../../test/support/app.js';
it('works', async () => {
  const t = performance.now();
  const berth = await startTestApp({ worker: true });
  const acme = await berth.founded('acme');
  const admin = await berth.member(acme, 'admin');
  expect((await admin.api.get<any>('/api/v1/me')).body).toMatchObject({
    organizations: [{ slug: 'acme', role: 'admin' }],
  });
  await admin.api.get('/readyz');
  await admin.api.setCredential('user', 'anthropic_api_key', {
    apiKey: 'sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaaa',
  });
  const w = await admin.api.createWorkspace({ repository: 'a/b' });
  await admin.api.poll('started', async () => berth.runtime.callsOf('start').length || null);
  console.log(performance.now() - t);
  await berth.close();
  console.log(performance.now() - t);
});
