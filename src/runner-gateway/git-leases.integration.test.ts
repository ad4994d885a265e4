import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { TestMember } from '../../test/support/app.js';
import { proxyPaths, type CredentialView, type Lease } from '../contracts/index.js';

const [OWN, SHARED, OTHERS] = ['own', 'shared', 'others'].map((name) => `ghp_${name.padEnd(36, '0')}`) as [
  string,
  string,
  string,
];

describe('leases for git', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterEach(async () => {
    for (const scope of ['user', 'organization'])
      await bench.api.call('DELETE', bench.api.path(`/credentials/${scope}/git_token`));
    await bench.api.call('PUT', bench.api.path('/credential-policy'), { organizationFallback: true }, 200);
  });
  afterAll(() => bench.close());

  const set = (scope: 'user' | 'organization', token: string, host = 'github.com', by = bench.api) =>
    by.setCredential(scope, 'git_token', { host, token });
  const removeOwn = ({ api }: TestMember) =>
    api.call('DELETE', api.path('/credentials/user/git_token'), undefined, 204);
  async function lent({ proxy }: PlayedWorkspace): Promise<string> {
    const { status, body } = await proxy.tryLease('git');
    if (status !== 200) return (body as unknown as { code: string }).code;
    return 'token' in body.secret ? body.secret.token : body.secret.kind;
  }

  it('are of the repository’s host and no other: the member’s own, then the organization’s, else none', async () => {
    const played = await bench.running();
    expect(await lent(played)).toBe('no-git-credential');
    await set('organization', SHARED);
    await set('user', OTHERS, 'git.example');
    expect(await lent(played)).toBe(SHARED);
    await set('user', OTHERS, 'github.com.git.example');
    expect(await lent(played)).toBe(SHARED);
    await set('user', OWN, 'GitHub.com');
    expect((await played.proxy.lease('git')).secret).toEqual({
      kind: 'git_token',
      host: 'github.com',
      username: 'x-access-token',
      token: OWN,
    });
    const elsewhere = await bench.running({ repository: 'https://git.example:8443/acme/app' });
    expect(await lent(elsewhere)).toBe('no-git-credential');
    await set('organization', OTHERS, 'git.example:8443');
    expect(await lent(elsewhere)).toBe(OTHERS);
    // Neither serves the other's purpose.
    expect((await played.proxy.lease('anthropic')).secret.kind).toBe('anthropic_api_key');
    const { body } = await bench.api.get<{ candidates: { kind: string }[] }>(
      bench.api.path('/credentials/resolution?agent=claude'),
    );
    expect(body.candidates.map(({ kind }) => kind)).toEqual(['anthropic_api_key']);
  });

  it('are not given to a workspace that reads code of strangers: what a token may do, its host alone knows', async () => {
    await set('user', OWN);
    await set('organization', SHARED);
    const played = await bench.running();
    expect(await lent(played)).toBe(OWN);
    await bench.sql('UPDATE workspace SET read_only = true WHERE id = $1', [played.id]);
    expect(await lent(played)).toBe('no-git-credential');
    expect((await played.proxy.lease('anthropic')).secret.kind).toBe('anthropic_api_key');
  });

  it('serve while the tree is prepared, also when another person’s message waits already', async () => {
    await set('user', OWN);
    const { id } = await bench.create();
    const played = await bench.started(id);
    await bench.api.call('PATCH', bench.api.path(`/workspaces/${id}`), { shared: true }, 202);
    const ann = await bench.app.member(bench.organization, 'member');
    await ann.api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'a'.repeat(40)}` });
    await ann.api.send(id, 'work');
    expect(await lent(played)).toBe(OWN);
    await played.runner.start();
    // Hers begins once the proxy has forgotten what is the owner's own.
    expect((await played.runner.tryClaim()).status).toBe(204);
    expect(await lent(played)).toBe('not-ready');
    bench.clock.advance(1250);
    await played.runner.claim();
    expect(await lent(played)).toBe('no-git-credential');
    await set('user', OTHERS, 'github.com', ann.api);
    expect(await lent(played)).toBe(OTHERS);
  });

  it('pass a refused one over, which is no matter of the turn and of no receipt', async () => {
    await set('user', OWN);
    await set('organization', SHARED);
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    await runner.claim();
    const lease = await proxy.lease('git');
    await proxy.report(proxy.served(lease), proxy.used(lease), proxy.refused(lease));
    expect(await lent({ id, runner, proxy })).toBe(SHARED);
    const [message] = await bench.api.messages(id);
    expect(message).toMatchObject({ state: 'running', receipts: [] });
    expect(await bench.api.workspace(id)).toMatchObject({
      authentication: 'ok',
      credential: { kind: 'anthropic_api_key' },
    });
    expect(await bench.eventsOf(id, 'agent.usage')).toEqual([]);
    const { body } = await bench.api.get<{ items: CredentialView[] }>(bench.api.path('/credentials'));
    expect(body.items.find(({ kind, scope }) => kind === 'git_token' && scope === 'user')).toMatchObject({
      status: 'rejected',
      hint: 'github.com ghp_…0000',
    });
    // Where the organization's serves nobody who has their own, nothing is left.
    await bench.api.call('PUT', bench.api.path('/credential-policy'), { organizationFallback: false }, 200);
    expect(await lent({ id, runner, proxy })).toBe('no-git-credential');
  });

  it('are withdrawn with the credential, the consent and the membership, and not by what another use has', async () => {
    const ann = await bench.app.member(bench.organization, 'member');
    await ann.api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'a'.repeat(40)}` });
    await set('organization', SHARED);
    const { id } = await ann.api.createWorkspace({ repository: 'acme/app' });
    const played = await bench.started(id);
    await played.runner.start();
    const ids = async (...leases: Lease[]): Promise<unknown> => {
      const credentialIds = leases.map(({ credentialId }) => credentialId);
      const { status, body } = await played.proxy.call<{ credentialIds?: string[] }>(proxyPaths.withdrawn, {
        credentialIds,
      });
      return body.credentialIds?.map((one) => credentialIds.indexOf(one)) ?? status;
    };
    const model = await played.proxy.lease('anthropic');
    const shared = await played.proxy.lease('git');
    expect(await ids(model, shared)).toEqual([]);
    await bench.api.call('PUT', bench.api.path('/credential-policy'), { organizationFallback: false }, 200);
    // Her own key is for the model: of the host she has none.
    expect(await ids(model, shared)).toEqual([]);
    await set('user', OTHERS, 'git.example', ann.api);
    expect(await ids(model, shared)).toEqual([]);
    await set('user', OWN, 'github.com', ann.api);
    expect(await ids(model, shared)).toEqual([1]);
    const own = await played.proxy.lease('git');
    expect(await ids(own, model)).toEqual([]);
    await removeOwn(ann);
    expect(await ids(own, model)).toEqual([0]);
    await bench.api.call('DELETE', bench.api.path(`/members/${ann.userId}`), undefined, 204);
    expect(await ids(model, shared)).toBe(403);
    expect(await lent(played)).toBe('forbidden');
  });
});
