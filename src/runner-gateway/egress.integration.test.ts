import { randomUUID } from 'node:crypto';
import { Bench } from '../../test/support/bench.js';
import { proxyPaths, type EgressPolicyView, type Problem } from '../contracts/index.js';

describe('the egress policy', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const path = (): string => bench.api.path('/egress-policy');
  const set = (allowedHosts: unknown) => bench.api.call<EgressPolicyView>('PUT', path(), { allowedHosts });
  const shown = async (): Promise<EgressPolicyView> => (await bench.api.get<EgressPolicyView>(path())).body;
  async function hostsOf({ proxy }: Awaited<ReturnType<Bench['running']>>) {
    const { status, body } = await proxy.call<{ allowedHosts?: string[] }>(proxyPaths.egress, {});
    return { status, hosts: body.allowedHosts };
  }

  it('is Berth’s own until an admin decides, and what proxies are told at once', async () => {
    const played = await bench.running({ repository: 'acme/app' });
    const before = await shown();
    expect(before.isDefault).toBe(true);
    expect(before.allowedHosts).toEqual(expect.arrayContaining(['registry.npmjs.org', 'pypi.org']));
    expect((await hostsOf(played)).hosts).toEqual([...before.allowedHosts, 'github.com']);

    const decided = { allowedHosts: ['a.example.com', '*.b.example.com'], isDefault: false };
    const { status, body } = await set(['A.example.com.', '*.B.example.com', 'a.example.com']);
    expect([status, body]).toEqual([200, decided]);
    expect(await shown()).toEqual(decided);
    expect((await hostsOf(played)).hosts).toEqual(decided.allowedHosts);
    await set([]);
    expect((await hostsOf(played)).hosts).toEqual([]);
    await set(null);
    expect(await shown()).toEqual(before);
  });

  it('takes hosts’ names only, and says so', async () => {
    const wrong = [
      '127.0.0.1',
      '[::1]',
      '2130706433',
      '0x7f.1',
      'localhost',
      'a.example.com:22',
      '*',
      '*.com',
    ];
    for (const host of [...wrong, 'https://a.example.com', 'a.example.com/x', 'b\u00fccher.example', '', 7]) {
      const { status, body } = await set(['ok.example.com', host]);
      const problem = body as unknown as Problem;
      expect([host, status]).toEqual([host, 422]);
      expect(problem.errors?.[0]?.path).toBe('body.allowedHosts.1');
    }
    const many = Array.from({ length: 201 }, (_, at) => `h${at}.example.com`);
    expect((await set(many)).status).toBe(422);
    expect((await set(many.slice(1))).status).toBe(200);
    expect((await set(undefined)).status).toBe(422);
    await set(null);
  });

  it('is an admin’s to decide and every member’s to see, each organization’s own, and booked', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    expect((await member.api.call('GET', path())).status).toBe(200);
    expect((await member.api.call('PUT', path(), { allowedHosts: [] })).status).toBe(403);
    const other = await bench.app.founded('other');
    await set(['only.example.com']);
    const { body } = await other.owner.api.get<EgressPolicyView>(other.owner.api.path('/egress-policy'));
    expect(body.isDefault).toBe(true);
    const entries = await bench.api.get<{ items: { details: unknown }[] }>(
      bench.api.path('/audit?action=egress-policy.changed&limit=1'),
    );
    expect(entries.body.items[0]?.details).toEqual({ isDefault: false, allowedHosts: ['only.example.com'] });
    await set(null);
  });

  it('is told to the proxy of a workspace that runs, and to no other machine', async () => {
    const played = await bench.running();
    expect((await played.runner.call(proxyPaths.egress, {})).status).toBe(401);
    await bench.api.post(bench.api.path(`/workspaces/${played.id}/hibernate`), {}, 202);
    await bench.reconcile(played.id);
    expect([401, 403]).toContain((await hostsOf(played)).status);
  });

  it('makes an event of what was blocked, once, in words for people', async () => {
    const { id, proxy } = await bench.running();
    const item = {
      id: randomUUID(),
      type: 'blocked',
      host: 'evil.example',
      port: 443,
      reason: 'not-allowed',
    } as const;
    await proxy.report(item);
    await proxy.report(item, {
      ...item,
      id: randomUUID(),
      host: '169.254.169.254',
      port: null,
      reason: 'not-a-host',
    });
    const events = await bench.eventsOf(id, 'egress.blocked');
    expect(events.map(({ data }) => [data.host, data.port, data.reason])).toEqual([
      ['evil.example', 443, 'not-allowed'],
      ['169.254.169.254', null, 'not-a-host'],
    ]);
    expect(events[0]?.data.message).toContain('does not let this workspace reach evil.example');
    expect(events[0]?.data.message).toContain('An admin of the organization can allow it');
  });
});
