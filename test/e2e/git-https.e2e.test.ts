import { existsSync } from 'node:fs';
import path from 'node:path';
import type { OperationView, WorkspaceView } from '../../src/contracts/index.js';
import { plantProbes, PROBES, runCommand, runProbe } from './hostile/agent.js';
import { canary, foundBelow, foundInProcesses, inMemoryForms, masked, needleOf } from './hostile/needles.js';
import { expectWhole, statesOf } from './support/events.js';
import { processesNaming } from './support/processes.js';
import { repositoryAt } from './support/repository.js';
import { TestSystem } from './support/system.js';

/** Repositories on a git host, reached over https through the workspace's proxy: what works, and what is said when it does not. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start();
});
afterAll(() => system.close());

const untilFailed = (id: string): Promise<WorkspaceView> => system.api.untilState(id, 'failed');

/** How the latest operation of a workspace failed. */
async function failureOf(id: string): Promise<Pick<OperationView, 'kind' | 'state' | 'error'> | undefined> {
  const { body } = await system.api.get<{ items: OperationView[] }>(
    system.api.path(`/workspaces/${id}/operations`),
  );
  return body.items[0];
}

it('clones owner/name, and pushes a turn’s commit back', async () => {
  const folder = await system.git.createRepository('acme/site', { 'README.md': '# Site\n' });
  const { id, branch } = await system.api.createWorkspace({ repository: 'acme/site', agent: 'claude' });
  await system.api.untilState(id, 'running');
  const asked = await system.api.send(id, 'create pages/about.txt with About us');
  expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });

  const upstream = repositoryAt(folder);
  expect(await upstream.git('show', `${branch}:pages/about.txt`)).toBe('About us');
  expect(await upstream.git('log', '-1', '--format=%an <%ae>', branch)).toBe(
    'Ada Lovelace <ada@example.com>',
  );
  expect(await upstream.git('rev-parse', `${branch}~1`)).toBe(await upstream.git('rev-parse', 'main'));
  const events = await system.api.events(id);
  expectWhole(events);
  const pushed = events
    .filter(({ type }) => type === 'git.pushed')
    .map(({ data }) => [data.branch, data.commit]);
  expect(pushed).toEqual([[branch, await upstream.git('rev-parse', branch)]]);
  // There is no token for it: nothing that the agent holds may reach the git host.
  expect(new Set(system.git.requests.map(({ credential }) => credential.kind))).toEqual(new Set(['none']));

  await system.deleteWorkspace(id);
  expect(existsSync(system.filesOf(id))).toBe(false);
});

it('lets the agent itself fetch and push over the same route', async () => {
  const folder = await system.git.createRepository('acme/tools');
  const { id, branch } = await system.api.createWorkspace({
    repository: 'https://github.com/acme/tools.git',
    agent: 'codex',
  });
  await system.api.untilState(id, 'running');
  const asked = await system.api.send(
    id,
    'run git commit --quiet --allow-empty -m Mine && git push --quiet && git fetch origin main && echo pushed',
  );
  expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });
  expect(await repositoryAt(folder).git('log', '-1', '--format=%an|%s', branch)).toBe('Ada Lovelace|Mine');
  expect((await system.api.messages(id)).at(-1)?.text).toContain('pushed');
});

it('fails with the reason when there is no such repository, and a retry works once there is', async () => {
  const { id } = await system.api.createWorkspace({
    repository: 'acme/later',
    agent: 'claude',
    message: 'create hello.txt',
  });
  const failed = await untilFailed(id);
  expect(failed.stateReason).toMatch(/repository was not found/i);
  expect(await failureOf(id)).toMatchObject({
    kind: 'provision',
    state: 'failed',
    error: { code: 'repository-not-found' },
  });
  await system.api.poll('no process of it is left', () =>
    Promise.resolve(processesNaming(id).length === 0 ? true : null),
  );
  const refused = await system.api.call<{ code: string }>(
    'POST',
    system.api.path(`/workspaces/${id}/messages`),
    { text: 'Good day' },
  );
  expect([refused.status, refused.body.code]).toEqual([409, 'workspace-failed']);

  const folder = await system.git.createRepository('acme/later');
  await system.api.post(system.api.path(`/workspaces/${id}/wake`), {}, 202);
  const running = await system.api.untilState(id, 'running');
  expect(running.stateReason).toBeNull();
  // The message that was sent with the workspace has waited for it.
  const [message] = await system.api.messages(id);
  expect(await system.api.untilEnded(id, message?.id ?? '')).toMatchObject({ state: 'completed' });
  expect(await repositoryAt(folder).git('show', `${running.branch}:hello.txt`)).toBe('Hello from hello.txt');
  const events = await system.api.events(id);
  expectWhole(events);
  expect(statesOf(events)).toEqual(['provisioning', 'failed', 'provisioning', 'running']);
});

it('fails with the reason when the repository asks for a login, and can be deleted then', async () => {
  await system.git.createRepository('private/plans');
  system.git.protect('private/*');
  const { id } = await system.api.createWorkspace({ repository: 'private/plans', agent: 'codex' });
  expect((await untilFailed(id)).stateReason).toMatch(/asks for a login/i);
  expect(await failureOf(id)).toMatchObject({
    state: 'failed',
    error: { code: 'repository-authentication' },
  });
  // Never a half-made tree that runs.
  expect(existsSync(path.join(system.treeOf(id), '.git', 'HEAD'))).toBe(false);
  await system.deleteWorkspace(id);
  expect(existsSync(system.filesOf(id))).toBe(false);
  expect(processesNaming(id)).toEqual([]);
});

describe('a private repository', () => {
  const began = Date.now();
  const token = canary('ghp_');
  const needles = [needleOf('the git token', token, 'ghp_')];
  let place: { id: string; branch: string; folder: string };

  beforeAll(async () => {
    const folder = await system.git.createRepository('private/app', { 'README.md': '# App\n' });
    await system.git.createRepository('private/other');
    system.git.protect('private/*');
    system.git.accept(token);
    system.git.reset();
    await system.api.setCredential('organization', 'git_token', { host: 'github.com', token });
    const { id, branch } = await system.api.createWorkspace({ repository: 'private/app', agent: 'claude' });
    await system.api.untilState(id, 'running');
    place = { id, branch, folder };
  });
  afterAll(async () => {
    await system.api.call('DELETE', system.api.path('/credentials/organization/git_token'), undefined, 204);
  });

  const words = async (command: string): Promise<string> => {
    await runCommand(system, place.id, command);
    return (await system.api.messages(place.id)).at(-1)?.text ?? '';
  };

  it('is cloned, and what a turn made is pushed to its branch, with a token that only the proxy has', async () => {
    const { id, branch, folder } = place;
    const asked = await system.api.send(id, 'create hello.txt');
    expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });
    expect(await repositoryAt(folder).git('show', `${branch}:hello.txt`)).toBe('Hello from hello.txt');
    const said = await words(
      'git commit --quiet --allow-empty -m Mine && git push --quiet && git clone --quiet https://github.com/private/app ~/again && echo done',
    );
    expect(said).toContain('done');
    expect(await repositoryAt(folder).git('log', '-1', '--format=%s', branch)).toBe('Mine');
    expect(new Set(system.git.requests.map(({ credential }) => credential.value))).toEqual(
      new Set([`x-access-token:${token}`]),
    );
  });

  it('is the only one, and the branch the only one that is pushed to', async () => {
    const { branch, folder } = place;
    const refs = (): Promise<string> =>
      repositoryAt(folder).git('for-each-ref', '--format=%(refname) %(objectname)');
    const before = await refs();
    const pushes = await words(
      `(git push origin HEAD:main; git tag v1; git push origin v1; git push origin :${branch}) 2>&1`,
    );
    const only = `this workspace may push ${branch} and nothing else`;
    expect(pushes).toContain(`[remote rejected] HEAD -> main (${only})`);
    expect(pushes).toContain(`[remote rejected] v1 -> v1 (${only})`);
    expect(pushes).toContain(`${branch} may not be deleted from here`);
    const others = ['private/other', 'acme/site', 'private/app.wiki'];
    const asked = others.map((name) => `git ls-remote https://github.com/${name}`).join('; ');
    expect((await words(`(${asked}) 2>&1`)).split('own repository is allowed')).toHaveLength(
      1 + others.length,
    );
    expect(await refs()).toBe(before);
  });

  it('leaves the token in no file, process, memory, setting, event or line', async () => {
    const { id } = place;
    await plantProbes(system, id);
    const report = await runProbe<{ findings: string[]; files: number; memories: number }>(
      system,
      id,
      'secrets',
      {
        masked: masked(needles),
        inMemory: masked(inMemoryForms(needles)),
        hostPaths: [],
        since: began,
        own: PROBES,
      },
    );
    expect(report.findings).toEqual([]);
    expect(report.files).toBeGreaterThan(1000);
    expect(report.memories).toBeGreaterThanOrEqual(2);
    expect(foundInProcesses(needles)).toEqual([]);
    expect(foundBelow(system.berth.dataDirectory, needles)).toEqual([]);
    expect(JSON.stringify(await system.api.events(id)) + system.berth.output.join('')).not.toContain(
      token.slice(4, 20),
    );
  });

  it('is not pushed to with a token that its host ended, and is again with a new one', async () => {
    const { id, branch, folder } = place;
    system.git.revoke(token);
    const asked = await system.api.send(id, 'create later.txt');
    expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });
    const events = await system.api.events(id);
    expect(events.findLast(({ type }) => type === 'git.failed')?.data).toMatchObject({
      messageId: asked.id,
      code: 'push-not-allowed',
      message: expect.stringContaining('git_token') as string,
    });
    expect(events.findLast(({ type }) => type === 'credential.state')?.data).toMatchObject({
      kind: 'git_token',
      status: 'rejected',
    });
    const next = canary('ghp_');
    system.git.accept(next);
    await system.api.setCredential('organization', 'git_token', { host: 'github.com', token: next });
    const again = await system.api.send(id, 'Good day');
    expect(await system.api.untilEnded(id, again.id)).toMatchObject({ state: 'completed' });
    expect(await repositoryAt(folder).git('show', `${branch}:later.txt`)).toBe('Hello from later.txt');
  });
});

it('says when a ref does not exist, and when the host answers with an error', async () => {
  await system.git.createRepository('acme/refs');
  const noRef = await system.api.createWorkspace({
    repository: 'acme/refs',
    ref: 'no-such-branch',
    agent: 'claude',
  });
  expect((await untilFailed(noRef.id)).stateReason).toMatch(/no such branch/i);
  expect(await failureOf(noRef.id)).toMatchObject({ error: { code: 'ref-not-found' } });

  system.git.fail({ status: 500, times: 'always' });
  const broken = await system.api.createWorkspace({ repository: 'acme/refs', agent: 'claude' });
  expect((await untilFailed(broken.id)).stateReason).toMatch(/could not be reached/i);
  expect(await failureOf(broken.id)).toMatchObject({ error: { code: 'network' } });
  system.git.reset();
  await system.api.post(system.api.path(`/workspaces/${broken.id}/wake`), {}, 202);
  expect(await system.api.untilState(broken.id, 'running')).toMatchObject({ state: 'running' });
});

it('keeps the work and says so when pushing is not allowed; the next turn pushes it', async () => {
  const folder = await system.git.createRepository('acme/locked');
  const upstream = repositoryAt(folder);
  const { id, branch } = await system.api.createWorkspace({ repository: 'acme/locked', agent: 'claude' });
  await system.api.untilState(id, 'running');
  system.git.fail({ match: { path: '/acme/locked.git/git-receive-pack' }, status: 403, times: 'always' });
  const first = await system.api.send(id, 'create hello.txt');
  // The agent did its work: that it could not be published is told beside it.
  expect(await system.api.untilEnded(id, first.id)).toMatchObject({ state: 'completed' });
  const told = (await system.api.events(id)).filter(({ type }) => type === 'git.failed');
  expect(told.map(({ data }) => [data.messageId, data.code])).toEqual([[first.id, 'push-not-allowed']]);
  await expect(upstream.git('rev-parse', '--verify', branch)).rejects.toThrow();

  system.git.reset();
  const second = await system.api.send(id, 'Good day');
  expect(await system.api.untilEnded(id, second.id)).toMatchObject({ state: 'completed' });
  expect(await upstream.git('show', `${branch}:hello.txt`)).toBe('Hello from hello.txt');
});
