import { Bench } from '../../test/support/bench.js';
import { ChatsService } from '../chats/chats.service.js';
import type { WorkspaceState } from '../contracts/index.js';
import { BerthError } from '../kernel/index.js';

const MINUTE_MS = 60_000;

describe('the life of a workspace', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  it('is made on terms of Berth’s own rooms, which no request can name', async () => {
    const { organization, owner } = bench;
    const actor = {
      ...{ organizationId: organization.id, userId: owner.userId, name: owner.name, email: owner.email },
      ...{ role: owner.role, via: { type: 'external-account' as const, id: bench.newId() } },
    };
    const terms = {
      origin: { type: 'github' as const, url: 'https://github.com/acme/app/pull/7#issuecomment-1' },
      branch: 'fix/it',
      readOnly: true,
      provider: 'bedrock' as const,
      awsRegion: 'eu-central-1',
      instructions: 'Run the tests.',
      decision: { asker: { system: 'github', externalId: '42' }, proof: 'authorization' },
      pullRequest: { url: 'https://github.com/acme/app/pull/7', number: 7 },
    };
    const input = { repository: 'acme/app', agent: 'claude' as const, message: 'hi', idleTimeoutMinutes: 5 };
    const chats = bench.app.app.get(ChatsService, { strict: false });
    const made = await chats.createWorkspace(actor, input, terms);
    const { origin, branch, pullRequest } = terms;
    expect(made).toMatchObject({ origin, branch, pullRequestUrl: pullRequest.url });
    const [row] = await bench.sql('SELECT * FROM workspace WHERE id = $1', [made.id]);
    const { read_only: readOnly, aws_region: awsRegion, pull_request: stored } = row ?? {};
    expect({ ...row, readOnly, awsRegion, pullRequest: stored }).toMatchObject(terms);
    const own = (id: string) => `berth/${id.slice(-8)}`;
    const [strangers, shared] = [made.id, (await chats.createWorkspace(actor, input, { branch })).id];
    const about = async (id: string) => {
      const { runner } = await bench.started(id);
      const { request } = bench.app.runtime.callsOf('start').find((call) => call.workspaceId === id) ?? {};
      return { ...(await runner.hello()).body, pushRefs: request?.git?.pushRefs };
    };
    const { instructions } = terms;
    expect(await about(strangers)).toMatchObject({ readOnly: true, instructions, pushRefs: [] });
    expect(await about(shared)).toMatchObject({
      ...{ branch, fallbackBranch: own(shared), readOnly: false },
      pushRefs: [branch, own(shared)].map((name) => `refs/heads/${name}`),
    });

    await expect(chats.createWorkspace(actor, input, { ...terms, branch: '-D main' })).rejects.toMatchObject({
      code: 'validation-failed',
    });
    const body = { repository: 'acme/app', origin, readOnly: true };
    await bench.api.post(bench.api.path('/workspaces'), body, 422);
    expect(await bench.create()).toMatchObject({ origin: { type: 'api' }, pullRequestUrl: null });
  });

  it('is provisioned, runs, sleeps, wakes and goes', async () => {
    const created = await bench.create({ ref: 'main', name: 'My app' });
    const { id } = created;
    expect(created).toMatchObject({ state: 'provisioning', desiredState: 'running', stateReason: null });

    const first = await bench.started(id);
    const { request } = bench.app.runtime.callsOf('start').find((call) => call.workspaceId === id) ?? {};
    expect(request).toMatchObject({
      organizationId: bench.organization.id,
      repository: { type: 'https', path: 'github.com/acme/app.git' },
      agent: 'claude',
      git: {
        path: 'github.com/acme/app.git',
        upstreamUrl: 'https://github.com/acme/app.git',
        pushRefs: [`refs/heads/${created.branch}`],
      },
    });
    const { body: assignment } = await first.runner.hello();
    expect(assignment).toEqual({
      workspaceId: id,
      repository: request?.repository,
      ref: 'main',
      branch: `berth/${id.slice(-8)}`,
      fallbackBranch: null,
      readOnly: false,
      instructions: null,
      agent: 'claude',
      model: 'claude-test',
    });
    expect(await bench.state(id)).toBe('provisioning');
    await first.runner.report({ type: 'workspace.prepared' });
    expect(await bench.state(id)).toBe('running');

    expect(await bench.hibernate(id)).toMatchObject({ state: 'hibernating', desiredState: 'hibernated' });
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('hibernated');

    expect(await bench.wake(id)).toMatchObject({ state: 'waking', desiredState: 'running' });
    const second = await bench.started(id, 2);
    await second.runner.start();
    expect(await bench.state(id)).toBe('running');

    expect(bench.calls(id)).toEqual(['start', 'stop', 'start']);
    expect(await bench.toldStates(id)).toEqual([
      'provisioning',
      'running',
      'hibernating',
      'hibernated',
      'waking',
      'running',
    ]);
    const operations = await bench.operations(id);
    expect(operations.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      'provision succeeded',
      'hibernate succeeded',
      'wake succeeded',
    ]);
    const initiator = { type: 'member', id: bench.owner.userId, name: bench.owner.name };
    expect(operations.map((operation) => operation.initiator)).toEqual([initiator, initiator, initiator]);

    expect(await bench.delete(id)).toMatchObject({ state: 'deleting', desiredState: 'deleted' });
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
    expect(await bench.app.runtime.inspect(id)).toBe('absent');
  });

  it('gives each start tokens of its own, and none survives sleep', async () => {
    const { id, runner, proxy } = await bench.running();
    expect(await bench.tokens(id)).toBe(2);
    await bench.hibernate(id);
    // The runner is told to go before its token is taken away.
    expect((await runner.commands()).body).toEqual({ cancel: [], stop: true });
    await bench.reconcile(id);
    expect(await bench.tokens(id)).toBe(0);
    await bench.wake(id);
    const next = await bench.started(id, 2);
    await next.runner.start();
    expect(await bench.tokens(id)).toBe(2);
    for (const { status } of [await runner.hello(), await runner.tryClaim(), await proxy.tryLease()]) {
      expect(status).toBe(401);
    }
    expect((await next.proxy.tryLease()).status).toBe(200);
  });

  const states: WorkspaceState[] = [
    'provisioning',
    'running',
    'hibernating',
    'hibernated',
    'waking',
    'failed',
    'deleting',
  ];
  it.each(states)('is deleted from %s, with files, rows and tokens', async (state) => {
    const { id, runner } = await bench.inState(state);
    expect(await bench.state(id)).toBe(state);
    expect(await bench.delete(id)).toMatchObject({ state: 'deleting', desiredState: 'deleted' });
    // Nothing brings it back.
    for (const rest of ['/wake', '/hibernate']) await bench.act(id, 'POST', rest, 409);
    await bench.api.post(bench.api.path(`/workspaces/${id}/messages`), { text: 'hello' }, 409);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
    expect(await bench.app.runtime.list()).not.toContain(id);
    expect((await runner.hello()).status).toBe(401);
    for (const table of [
      'operation',
      'machine_token',
      'message',
      'turn',
      'event',
      'runner_cursor',
      'lease',
    ]) {
      expect(await bench.sql(`SELECT 1 FROM ${table} WHERE workspace_id = $1`, [id])).toEqual([]);
    }
    await bench.act(id, 'DELETE', '', 404);
    await bench.reconcile(id);
  });

  it('fails with the reason, is stopped, takes no message, and is retried from where it was', async () => {
    const { id, runner } = await bench.started((await bench.create()).id);
    await runner.hello();
    await runner.report({
      type: 'workspace.failed',
      code: 'not-found',
      message: 'There is no such repository.',
    });
    expect(await bench.api.workspace(id)).toMatchObject({
      state: 'failed',
      stateReason: 'There is no such repository.',
    });
    await bench.reconcile(id);
    expect([bench.calls(id), await bench.tokens(id)]).toEqual([['start', 'stop'], 0]);
    expect((await bench.operations(id)).at(-1)).toMatchObject({
      state: 'failed',
      error: { code: 'not-found', message: 'There is no such repository.' },
    });
    const refused = await bench.api.post<{ code: string; detail: string }>(
      bench.api.path(`/workspaces/${id}/messages`),
      { text: 'hello' },
      409,
    );
    expect(refused.body.code).toBe('workspace-failed');
    expect(refused.body.detail).toContain('There is no such repository. Wake it to try again.');
    await bench.act(id, 'POST', '/hibernate', 409);

    expect(await bench.wake(id)).toMatchObject({ state: 'provisioning', stateReason: null });
    const again = await bench.started(id, 2);
    await again.runner.start();
    await again.runner.report({ type: 'workspace.failed', code: 'no-space', message: 'No space left.' });
    await bench.reconcile(id);
    // Its tree was there: it need not be cloned again.
    expect(await bench.wake(id)).toMatchObject({ state: 'waking' });
  });

  it('fails when the machine cannot run it, and says what the machine said', async () => {
    const { id } = await bench.create();
    bench.app.runtime.failNext('start', new BerthError('sandbox-unavailable', 'Install bubblewrap.'));
    await bench.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({
      state: 'failed',
      stateReason: 'Install bubblewrap.',
    });
    expect(await bench.tokens(id)).toBe(0);
    expect((await bench.operations(id))[0]).toMatchObject({ error: { code: 'sandbox-unavailable' } });
    await bench.wake(id);
    const { runner } = await bench.started(id, 2);
    await runner.start();
    expect(await bench.state(id)).toBe('running');
  });

  it.each([
    ['for the moment', new BerthError('not-ready', 'Not yet.')],
    ['in a way nobody foresaw', new TypeError('undefined is not a function')],
  ])('is tried again when the machine refuses %s', async (_, error) => {
    const { id } = await bench.create();
    bench.app.runtime.failNext('start', error);
    await expect(bench.reconcile(id)).rejects.toBe(error);
    expect([await bench.state(id), await bench.tokens(id)]).toEqual(['provisioning', 0]);
    const { runner } = await bench.started(id, 2);
    await runner.start();
    expect(await bench.state(id)).toBe('running');
  });

  it('stays on its way to sleep or away while the machine cannot stop it, and gets there later', async () => {
    for (const method of ['stop', 'destroy'] as const) {
      const { id } = await bench.running();
      await (method === 'stop' ? bench.hibernate(id) : bench.delete(id));
      bench.app.runtime.failNext(method);
      await expect(bench.reconcile(id)).rejects.toThrow('The machine refused');
      expect(await bench.state(id)).toBe(method === 'stop' ? 'hibernating' : 'deleting');
      await bench.reconcile(id);
      expect(await bench.state(id)).toBe(method === 'stop' ? 'hibernated' : 'gone');
    }
  });

  it('is given up when it does not start in time, and a late runner is refused', async () => {
    const { id, runner } = await bench.started((await bench.create()).id);
    await runner.hello();
    bench.clock.advance(30 * MINUTE_MS);
    await bench.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'failed' });
    expect((await bench.api.workspace(id)).stateReason).toMatch(/within 30 minutes/);
    expect((await runner.send(runner.number({ type: 'workspace.prepared' }))).status).toBe(401);
    expect(bench.calls(id)).toEqual(['start', 'stop']);
  });

  it('sleeps when idle, by the policy’s name, but not while a turn is open', async () => {
    const { id, runner, proxy } = await bench.running({ idleTimeoutMinutes: 10 });
    const { id: messageId } = await bench.api.send(id, 'work');
    bench.clock.advance(60 * MINUTE_MS);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('running');
    const turn = await runner.claim();
    await proxy.report(proxy.served(await proxy.lease()));
    bench.clock.advance(60 * MINUTE_MS);
    // Its heartbeat: without it, it would be taken for one that hangs.
    await runner.commands();
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('running');
    await runner.report(runner.finished(turn));
    expect((await bench.api.messages(id)).find((m) => m.id === messageId)?.state).toBe('completed');
    bench.clock.advance(10 * MINUTE_MS - 1);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('running');
    bench.clock.advance(1);
    await bench.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'hibernated', desiredState: 'hibernated' });
    expect((await bench.operations(id)).at(-1)).toMatchObject({
      kind: 'hibernate',
      reason: 'idle for 10 minutes',
      initiator: { type: 'system', id: 'idle-policy' },
    });
  });

  it('is not kept awake, nor woken, by who only reads', async () => {
    const { id } = await bench.running({ idleTimeoutMinutes: 10 });
    const { lastActivityAt } = await bench.api.workspace(id);
    const readAll = async (): Promise<void> => {
      for (const rest of ['', '/messages', '/operations', '/events']) {
        await bench.api.get(bench.api.path(`/workspaces/${id}${rest}`));
      }
      await bench.api.get(bench.api.path('/workspaces'));
      await bench.api.stream(id, '0', (events) => events.length > 0);
    };
    bench.clock.advance(9 * MINUTE_MS);
    await readAll();
    expect((await bench.api.workspace(id)).lastActivityAt).toBe(lastActivityAt);
    bench.clock.advance(MINUTE_MS);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('hibernated');
    await readAll();
    await bench.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'hibernated', lastActivityAt });
  });

  it('is woken by a message, which then runs', async () => {
    const { id } = await bench.inState('hibernated');
    await bench.api.send(id, 'wake up');
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'waking', desiredState: 'running' });
    expect((await bench.operations(id)).at(-1)).toMatchObject({ kind: 'wake', reason: 'a message came' });
    const { runner } = await bench.started(id, 2);
    await runner.start();
    expect(await runner.claim()).toMatchObject({ text: 'wake up', mode: 'start' });
  });

  it('wakes without a credential: what is missing is said when it is needed', async () => {
    const member = await bench.app.member(bench.organization, 'member');
    await member.api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'y'.repeat(40)}` });
    const { id } = await member.api.createWorkspace({ repository: 'acme/app' });
    const { runner } = await bench.started(id);
    await runner.start();
    await bench.hibernate(id);
    await bench.reconcile(id);
    await member.api.call('DELETE', member.api.path('/credentials/user/anthropic_api_key'), undefined, 204);
    await member.api.post(member.api.path(`/workspaces/${id}/wake`), undefined, 202);
    const { proxy } = await bench.started(id, 2);
    expect((await member.api.workspace(id)).credential).toBeNull();
    expect(await proxy.tryLease()).toMatchObject({ status: 409, body: { code: 'no-agent-credential' } });
    await member.api.createWorkspace({ repository: 'acme/app' }).then(
      () => Promise.reject(new Error('it was made')),
      (error: unknown) => expect((error as Error).message).toContain('no-agent-credential'),
    );
  });

  it('begins nothing twice when it is asked twice', async () => {
    const { id } = await bench.running();
    await bench.wake(id);
    await Promise.all([bench.hibernate(id), bench.hibernate(id), bench.hibernate(id)]);
    await Promise.all([bench.reconcile(id), bench.reconcile(id)]);
    await bench.hibernate(id);
    await bench.reconcile(id);
    expect((await bench.operations(id)).map(({ kind }) => kind)).toEqual(['provision', 'hibernate']);
    expect(await bench.toldStates(id)).toEqual(['provisioning', 'running', 'hibernating', 'hibernated']);
  });
});
