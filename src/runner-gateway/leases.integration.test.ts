import { randomUUID } from 'node:crypto';
import { Bench, API_KEY, type PlayedWorkspace } from '../../test/support/bench.js';
import { ChatsService } from '../chats/chats.service.js';
import type { WorkspaceTerms } from '../workspaces/index.js';
import { proxyPaths, runnerPaths, type CredentialView, type MessageView } from '../contracts/index.js';

const OTHER_KEY = `sk-ant-api03-${'o'.repeat(40)}`;

describe('leases and receipts', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());
  const asked = async (id: string): Promise<MessageView | undefined> => (await bench.api.messages(id))[0];

  it('lets neither machine nor person through the other’s door', async () => {
    const { id, runner, proxy } = await bench.running();
    const hello = { runnerId: runner.runnerId, pid: 1 };
    expect((await proxy.call(runnerPaths.hello, hello)).status).toBe(401);
    expect((await proxy.call(runnerPaths.claim, { runnerId: runner.runnerId, waitSeconds: 0 })).status).toBe(
      401,
    );
    expect((await runner.call(proxyPaths.lease, { upstream: 'anthropic' })).status).toBe(401);
    expect((await runner.call(proxyPaths.report, { items: [] })).status).toBe(401);
    for (const token of [runner.token, proxy.token]) {
      const machine = bench.api.as(token);
      expect((await machine.call('GET', bench.api.path(`/workspaces/${id}`))).status).toBe(401);
      expect((await machine.call('GET', '/api/v1/me')).status).toBe(401);
    }
    for (const path of [...Object.values(runnerPaths), ...Object.values(proxyPaths)]) {
      for (const key of [bench.owner.apiKey, `${runner.token}x`, '', null]) {
        expect((await bench.api.as(key).call('POST', path, {})).status).toBe(401);
      }
    }
  });

  it('says of calls under way which credentials may not serve any more: removed, not consented to, nobody there', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    const withdrawnOf = async ({ proxy }: PlayedWorkspace, ...credentialIds: string[]) => {
      const { status, body } = await proxy.call<{ credentialIds?: string[] }>(proxyPaths.withdrawn, {
        credentialIds,
      });
      return [status, body.credentialIds];
    };
    await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: API_KEY });
    const { id } = await member.api.createWorkspace({ repository: 'acme/app', message: 'work' });
    const played = await bench.started(id);
    const shared = (await played.proxy.lease()).credentialId;
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: OTHER_KEY });
    const own = (await played.proxy.lease()).credentialId;
    expect(await withdrawnOf(played, shared, own)).toEqual([200, []]);
    const policy = (organizationFallback: boolean) =>
      bench.api.call('PUT', bench.api.path('/credential-policy'), { organizationFallback }, 200);
    await policy(false);
    expect(await withdrawnOf(played, shared, own)).toEqual([200, [shared]]);
    // Who has none of their own is served by the organization’s, whatever the policy.
    await member.api.call('DELETE', member.api.path('/credentials/user/anthropic_api_key'), undefined, 204);
    expect(await withdrawnOf(played, shared, own)).toEqual([200, [own]]);
    await policy(true);
    await bench.api.call('DELETE', bench.api.path(`/members/${member.userId}`), undefined, 204);
    expect(await withdrawnOf(played, shared, own)).toEqual([403, undefined]);
    await bench.api.call(
      'DELETE',
      bench.api.path('/credentials/organization/anthropic_api_key'),
      undefined,
      204,
    );
  });

  it('leases for a mapping’s Bedrock an AWS key first, in its region; and for work of nobody never an owner’s own', async () => {
    const aws = {
      accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
    };
    const { organization, owner, app } = bench;
    const actor = {
      ...{ organizationId: organization.id, userId: owner.userId, name: owner.name, email: owner.email },
      ...{ role: owner.role, via: { type: 'external-account' as const, id: 'automation' } },
    };
    const chats = app.app.get(ChatsService, { strict: false });
    const made = async (terms: WorkspaceTerms) => {
      const body = {
        repository: 'acme/app',
        agent: 'claude',
        message: 'work',
        idleTimeoutMinutes: 5,
      } as const;
      return bench.started((await chats.createWorkspace(actor, body, terms)).id);
    };
    // The owner has a key of their own, and nobody asked.
    await expect(made({ organizationOnly: true })).rejects.toMatchObject({ code: 'no-agent-credential' });
    await bench.api.setCredential('organization', 'aws_bedrock', aws);
    const nobodys = await made({ organizationOnly: true });
    expect((await nobodys.proxy.lease()).secret).toMatchObject({ kind: 'aws_bedrock', region: 'us-east-1' });
    const bedrock = await made({ provider: 'bedrock', awsRegion: 'eu-central-1' });
    expect((await bedrock.proxy.lease()).secret).toMatchObject({
      kind: 'aws_bedrock',
      region: 'eu-central-1',
    });
    expect((await (await made({})).proxy.lease()).secret.kind).toBe('anthropic_api_key');
    const explained = await bench.api.get<{ chosen: { kind: string } }>(
      bench.api.path('/credentials/resolution?agent=claude&provider=bedrock'),
    );
    expect(explained.body.chosen.kind).toBe('aws_bedrock');
    await bench.api.call('DELETE', bench.api.path('/credentials/organization/aws_bedrock'), undefined, 204);
    expect((await nobodys.proxy.tryLease()).status).toBe(409);
  });

  it('leases the member’s own before the organization’s, and the latter once the own is gone', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: OTHER_KEY });
    await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: API_KEY });
    const { id } = await member.api.createWorkspace({ repository: 'acme/app', message: 'work' });
    const { runner, proxy } = await bench.started(id);
    await runner.start();
    const turn = await runner.claim();
    const own = await proxy.lease();
    expect(own.secret).toEqual({ kind: 'anthropic_api_key', apiKey: OTHER_KEY });
    await proxy.report(proxy.served(own));
    await member.api.call('DELETE', member.api.path('/credentials/user/anthropic_api_key'), undefined, 204);
    const shared = await proxy.lease();
    expect(shared.secret).toEqual({ kind: 'anthropic_api_key', apiKey: API_KEY });
    await proxy.report(proxy.served(shared));
    await runner.report(runner.finished(turn));
    const [message] = await member.api.messages(id);
    expect(
      message?.receipts.map(({ credentialId, scope, kind, generation }) => [
        credentialId,
        scope,
        kind,
        generation,
      ]),
    ).toEqual([
      [own.credentialId, 'user', 'anthropic_api_key', 1],
      [shared.credentialId, 'organization', 'anthropic_api_key', 1],
    ]);
    for (const { reason } of message?.receipts ?? []) expect(reason).not.toBe('');
    expect((await member.api.workspace(id)).credential).toMatchObject({
      id: shared.credentialId,
      scope: 'organization',
    });
    await bench.api.call(
      'DELETE',
      bench.api.path('/credentials/organization/anthropic_api_key'),
      undefined,
      204,
    );
    expect(await proxy.tryLease()).toMatchObject({ status: 409, body: { code: 'no-agent-credential' } });
  });

  it('leases a new secret at its new generation, and tells the receipts apart', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    await runner.claim();
    const first = await proxy.lease();
    await proxy.report(proxy.served(first));
    await bench.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const second = await proxy.lease();
    expect([second.credentialId, second.generation]).toEqual([first.credentialId, first.generation + 1]);
    // The old lease may still serve for a moment; its receipt names its own generation.
    await proxy.report(proxy.served(second), proxy.served(first));
    expect((await asked(id))?.receipts.map(({ generation }) => generation)).toEqual([
      first.generation,
      second.generation,
    ]);
  });

  it('counts each report once, however often it comes', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    const { turnId } = await runner.claim();
    const lease = await proxy.lease();
    const [served, used] = [proxy.served(lease), proxy.used(lease)];
    await proxy.report(served, used, used, served);
    await Promise.all(Array.from({ length: 8 }, () => proxy.report(used, served)));
    await proxy.report(proxy.used(lease));
    expect((await asked(id))?.receipts).toHaveLength(1);
    const usage = await bench.eventsOf(id, 'agent.usage');
    expect(usage).toHaveLength(2);
    expect(usage[0]?.data).toEqual({
      messageId: turnId,
      credentialId: lease.credentialId,
      generation: lease.generation,
      model: 'm',
      inputTokens: 10,
      outputTokens: 5,
      cacheReadTokens: null,
      cacheWriteTokens: 0,
    });
  });

  it('writes no receipt for a credential or generation that was never leased to the workspace', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    const turn = await runner.claim();
    const other = await bench.running();
    const lease = await other.proxy.lease();
    await proxy.report(
      proxy.served(lease),
      proxy.used(lease),
      proxy.served({ ...lease, generation: lease.generation + 1 }),
      proxy.served({ credentialId: randomUUID(), generation: 1 }),
    );
    await runner.report(runner.finished(turn, { result: 'completed' }, 60));
    expect(await asked(id)).toMatchObject({
      state: 'failed',
      receipts: [],
      error: { code: 'model-not-reached' },
    });
    expect(await bench.eventsOf(id, 'agent.usage')).toEqual([]);
  });

  it('takes a refused key for rejected, says so to people, and does not call it served', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    await runner.claim();
    const { credentialId, generation } = await proxy.lease();
    const refused = {
      id: randomUUID(),
      type: 'refused',
      credentialId,
      generation,
      status: 401,
      errorType: 'authentication_error',
    } as const;
    await proxy.report(refused);
    expect((await asked(id))?.receipts).toEqual([]);
    const { body } = await bench.api.get<{ items: CredentialView[] }>(bench.api.path('/credentials'));
    expect(body.items.find((item) => item.id === credentialId)).toMatchObject({
      status: 'rejected',
      lastError: 'refused with status 401 (authentication_error)',
    });
    expect(await proxy.tryLease()).toMatchObject({ status: 409, body: { code: 'no-agent-credential' } });
    // Told to whoever looks at the workspace, and booked, once.
    await proxy.report({ ...refused, id: randomUUID() });
    expect((await bench.eventsOf(id, 'credential.state')).map(({ data }) => data)).toEqual([
      {
        credentialId,
        scope: 'user',
        kind: 'anthropic_api_key',
        status: 'rejected',
        message: 'refused with status 401 (authentication_error)',
      },
    ]);
    expect(await bench.sql("SELECT 1 FROM audit_entry WHERE action = 'credential.rejected'")).toHaveLength(1);
    // What another call of that moment was told comes late, and is not why it ended.
    const denied = { type: 'denied', status: 403, errorType: 'permission_error' } as const;
    await proxy.report({ ...refused, ...denied, id: randomUUID() });
    expect(await bench.sql('SELECT last_error FROM credential WHERE id = $1', [credentialId])).toEqual([
      { last_error: 'refused with status 401 (authentication_error)' },
    ]);
    await bench.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    expect((await proxy.lease()).generation).toBe(generation + 1);
  });

  it('remembers of a denial what was said, and of a limit until when, and renews for neither', async () => {
    const { runner, proxy } = await bench.running({ message: 'work' });
    await runner.claim();
    const { credentialId, generation } = await proxy.lease();
    const shown = async (): Promise<CredentialView | undefined> =>
      (await bench.api.get<{ items: CredentialView[] }>(bench.api.path('/credentials'))).body.items.find(
        (item) => item.id === credentialId,
      );
    const of = { credentialId, generation };
    await proxy.report({
      id: randomUUID(),
      type: 'denied',
      ...of,
      status: 403,
      errorType: 'permission_error',
    });
    expect(await shown()).toMatchObject({
      status: 'active',
      lastError: 'refused with status 403 (permission_error)',
    });
    await proxy.report({
      id: randomUUID(),
      type: 'limited',
      ...of,
      errorType: 'rate_limit_error',
      until: null,
    });
    expect(await shown()).toMatchObject({ status: 'active', limitedUntil: null });
    const until = new Date(bench.clock.now().getTime() + 60_000).toISOString();
    await proxy.report({ id: randomUUID(), type: 'limited', ...of, errorType: 'rate_limit_error', until });
    expect(await shown()).toMatchObject({ status: 'active', limitedUntil: until, generation });
    expect((await proxy.tryLease()).status).toBe(409);
    bench.clock.advance(60_000);
    expect((await proxy.lease()).generation).toBe(generation);
  });

  it('leases nothing for another provider than the agent’s', async () => {
    const { proxy } = await bench.running();
    expect(await proxy.tryLease('openai')).toMatchObject({
      status: 409,
      body: { code: 'no-agent-credential' },
    });
    expect((await proxy.call(proxyPaths.lease, { upstream: 'aws' })).status).toBe(422);
  });

  it('leases to who speaks Bedrock an AWS key alone, with its region', async () => {
    const { proxy } = await bench.running();
    expect((await proxy.tryLease('bedrock')).status).toBe(409);
    const key = { accessKeyId: 'AKIAOFBEDROCK0000001', secretAccessKey: 's'.repeat(40), region: 'eu-west-1' };
    await bench.api.setCredential('organization', 'aws_bedrock', key);
    expect(await proxy.tryLease('bedrock')).toMatchObject({
      status: 200,
      body: { secret: { kind: 'aws_bedrock', ...key, sessionToken: null } },
    });
    expect((await proxy.lease()).secret.kind).toBe('anthropic_api_key');
    await bench.api.setCredential('organization', 'aws_bedrock', { ...key, fallback: false });
    expect((await proxy.tryLease('bedrock')).status).toBe(409);
    const path = bench.api.path('/credentials/organization/aws_bedrock');
    await bench.api.call('DELETE', path, undefined, 204);
  });

  it('leases while a workspace starts and runs, and not when it fails, sleeps or goes', async () => {
    for (const state of ['provisioning', 'running'] as const) {
      expect((await (await bench.inState(state)).proxy.tryLease()).status).toBe(200);
    }
    // On its way, the token is still known and the state decides; at rest, the token is gone.
    for (const state of ['hibernating', 'failed', 'deleting'] as const) {
      const { id, proxy } = await bench.inState(state);
      expect((await proxy.tryLease()).status).toBe(403);
      await bench.reconcile(id);
      expect((await proxy.tryLease()).status).toBe(401);
    }
    expect((await (await bench.inState('waking')).proxy.tryLease()).status).toBe(401);
  });

  it('says a secret in the lease’s answer and nowhere else', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'work' });
    await runner.claim();
    const lease = await proxy.lease();
    await proxy.report(proxy.served(lease), proxy.used(lease));
    const said = JSON.stringify([
      await bench.api.workspace(id),
      await bench.api.messages(id),
      await bench.api.events(id),
      await bench.operations(id),
      await bench.sql('SELECT * FROM lease'),
      await bench.sql('SELECT data FROM bullmq.job'),
    ]);
    for (const secret of [API_KEY, runner.token, proxy.token]) expect(said).not.toContain(secret);
  });
});
