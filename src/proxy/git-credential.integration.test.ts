import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { startGitEmulator, type GitEmulator } from '../../test/emulators/git.js';
import { until } from '../../test/emulators/until.js';
import type { Lease } from '../contracts/proxy.js';
import { forward, gitThrough } from './testing/git-client.js';
import { send, serve, type TestServer } from './testing/http.js';
import { command, ONE, packet, pushOf } from './testing/pushes.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const tokenOf = (token: string, host = 'git.example'): Lease['secret'] => ({
  kind: 'git_token',
  host,
  username: 'x-access-token',
  token,
});
const TOKEN = 'ghp_tokenThatNoAgentMaySee0001';
const OLD = 'ghp_tokenThatNoAgentMaySee0002';
const BASIC = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString('base64')}`;

const ROUTE = '/git/git.example/acme/app.git';
const REFS = { method: 'GET', path: `${ROUTE}/info/refs?service=git-upload-pack` };

describe('git with a credential', () => {
  let root: string;
  let emulator: GitEmulator;
  let proxy: ProxyUnderTest;
  let way: Awaited<ReturnType<typeof forward>>;

  beforeAll(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'berth-proxy-token-'));
    await mkdir(path.join(root, 'served'));
    emulator = await startGitEmulator({ root: path.join(root, 'served') });
    await emulator.createRepository('acme/app', { 'README.md': '# App\n' });
    emulator.protect('acme/app');
  });

  beforeEach(async () => {
    emulator.reset();
    emulator.accept(TOKEN);
    emulator.revoke(OLD);
    proxy = await startProxy((_request, response) => void response.end(), {
      git: {
        path: 'git.example/acme/app.git',
        upstreamUrl: `${emulator.url}/acme/app.git`,
        pushRefs: ['refs/heads/berth/abc'],
      },
      limits: { notYetSeconds: 0.01, withdrawnSeconds: 0.05 },
    });
    proxy.controlPlane.lease(tokenOf(TOKEN));
    way = await forward(proxy.socket);
  });

  afterEach(async () => {
    await proxy.close();
    await way.close();
    for (const secret of [TOKEN, OLD, BASIC.slice(6)]) expect(proxy.log.lines.join()).not.toContain(secret);
  });

  afterAll(async () => {
    await emulator.close();
    await rm(root, { recursive: true, force: true });
  });

  const git = (cwd: string, ...args: string[]): ReturnType<typeof gitThrough> =>
    gitThrough({ port: way.port, home: root, host: 'git.example' }, cwd, ...args);

  async function clone(name: string): Promise<string> {
    await git(root, 'clone', '-q', 'https://git.example/acme/app', name);
    const tree = path.join(root, name);
    await git(tree, 'commit', '-q', '--allow-empty', '-m', name);
    return tree;
  }
  const served = (...args: string[]): ReturnType<typeof git> =>
    git(path.join(root, 'served', 'acme', 'app.git'), ...args);

  it('clones, pushes and forces the own branch, with a token that stays outside', async () => {
    const tree = await clone('tree');
    await git(tree, 'push', '-q', 'origin', 'HEAD:refs/heads/berth/abc');
    await git(tree, 'commit', '-q', '--amend', '--allow-empty', '-m', 'another');
    await git(tree, 'push', '-q', '--atomic', '--force', 'origin', 'HEAD:refs/heads/berth/abc');
    const { stdout: head } = await git(tree, 'rev-parse', 'HEAD');
    expect((await served('rev-parse', 'refs/heads/berth/abc')).stdout).toBe(head);
    const authorizations = new Set(emulator.requests.map(({ headers }) => headers.authorization));
    expect(authorizations).toEqual(new Set([BASIC]));
    const { stdout: found } = await git(tree, 'config', '--list', '--show-origin');
    expect(found).not.toContain(TOKEN);
  });

  it.each<[string, string[]]>([
    ['another branch', ['HEAD:refs/heads/main']],
    ['another branch by force', ['+HEAD:refs/heads/theirs']],
    ['a tag', ['HEAD:refs/tags/v1']],
    ['another beside the own', ['HEAD:refs/heads/berth/abc', 'HEAD:refs/heads/theirs']],
    ['the end of the own branch', [':refs/heads/berth/abc']],
    ['everything', ['--mirror']],
    ['options', ['-o', 'merge_request.create', '+HEAD~0:refs/heads/berth/abc']],
  ])('refuses %s in words that git shows, and sends nothing of it', async (name, refspecs) => {
    await served('config', 'receive.advertisePushOptions', 'true');
    const tree = await clone(name.replaceAll(' ', '-'));
    await git(tree, 'push', '-q', 'origin', 'HEAD:refs/heads/berth/abc', '--force');
    await git(tree, 'commit', '-q', '--allow-empty', '-m', 'more');
    const before = await served('for-each-ref');
    const options = refspecs.filter((word, at) => word.startsWith('-') || refspecs[at - 1] === '-o');
    const refs = refspecs.filter((word) => !options.includes(word));
    emulator.reset();
    await expect(git(tree, 'push', ...options, 'origin', ...refs)).rejects.toThrow(
      /remote: Berth: (this workspace may push berth\/abc and nothing else|berth\/abc may not be deleted|push options are not taken)[^]*\[remote rejected\]/,
    );
    expect(await served('for-each-ref')).toEqual(before);
    expect(emulator.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('goes where the repository is by now, with what was lent for it, and never to who has its name', async () => {
    await emulator.createRepository('acme/moved', { 'MOVED.md': '# Moved\n' });
    proxy.controlPlane.lease(tokenOf(TOKEN), { repository: 'acme/moved' });
    await clone('moved');
    expect((await git(path.join(root, 'moved'), 'ls-files')).stdout).toContain('MOVED.md');
    await git(path.join(root, 'moved'), 'push', '-q', 'origin', 'HEAD:refs/heads/berth/abc');
    expect(new Set(emulator.requests.map((one) => one.path.split('.git')[0]))).toEqual(
      new Set(['/acme/moved']),
    );
  });

  it('sends the request again with the next credential when one is refused', async () => {
    proxy.controlPlane.succession([tokenOf(OLD), tokenOf(TOKEN)]);
    await git(root, 'ls-remote', 'https://git.example/acme/app');
    expect(emulator.requests.map(({ status }) => status)).toEqual([401, 200, 200]);
    expect(proxy.controlPlane.reports('refused')).toMatchObject([{ generation: 1, status: 401 }]);
  });

  it('says what is wrong when the last one is refused, and reports the right to write apart', async () => {
    proxy.controlPlane.succession([tokenOf(OLD)]);
    await expect(git(root, 'ls-remote', 'https://git.example/acme/app')).rejects.toThrow(
      /remote: The git server refused the git token[^]*403/,
    );
    proxy.controlPlane.lease(tokenOf(TOKEN));
    emulator.fail({ match: { path: '/acme/app.git/info/refs' }, status: 403, times: 1 });
    await expect(git(root, 'ls-remote', 'https://git.example/acme/app')).rejects.toThrow(/403/);
    await until('the report', () => proxy.controlPlane.reports('denied').length === 1);
  });

  it('says so when the credential ends between the two steps of git', async () => {
    const tree = await clone('ends');
    emulator.fail({ match: { path: '/acme/app.git/git-receive-pack' }, status: 401, times: 1 });
    const push = git(tree, 'push', '--force', 'origin', 'HEAD:refs/heads/berth/abc');
    await expect(push).rejects.toThrow(/remote: Berth: the git server refused the git token[^]*Push again/);
    emulator.fail({ match: { path: '/acme/app.git/git-upload-pack' }, status: 401, times: 1 });
    await expect(git(tree, 'fetch')).rejects.toThrow(/remote error: The git server refused the git token/);
    expect(proxy.controlPlane.reports('refused')).toHaveLength(2);
  });

  it('never sends a token of another host', async () => {
    proxy.controlPlane.lease(tokenOf(TOKEN, 'other.example'));
    await expect(git(root, 'ls-remote', 'https://git.example/acme/app')).rejects.toThrow(
      /holds no git token/,
    );
    expect(new Set(emulator.requests.map(({ credential }) => credential.kind))).toEqual(new Set(['none']));
  });

  it('lends nothing to a workspace that does not run, and waits while it cannot be told', async () => {
    proxy.controlPlane.leaseAnswers = [{ status: 403, body: {} }];
    await expect(git(root, 'ls-remote', 'https://git.example/acme/app')).rejects.toThrow(/not running/);
    expect(emulator.requests).toEqual([]);
    proxy.controlPlane.lease(tokenOf(TOKEN));
    proxy.controlPlane.leaseAnswers.unshift({ status: 503, body: {}, headers: { 'retry-after': '0' } });
    await git(root, 'ls-remote', 'https://git.example/acme/app');
  });

  it('reads a compressed push as the server would, and refuses what is none', async () => {
    const gzip = { 'content-encoding': 'gzip', 'content-type': 'application/x-git-receive-pack-request' };
    const push = (body: Buffer, headers: http.OutgoingHttpHeaders = gzip): ReturnType<typeof send> =>
      send(proxy.socket, { path: `${ROUTE}/git-receive-pack`, headers, body });
    const foreign = await push(gzipSync(pushOf('refs/heads/main')));
    expect(foreign).toMatchObject({ status: 200 });
    expect(foreign.body).toContain('ng refs/heads/main this workspace may push berth/abc and nothing else');
    const second = Buffer.concat([
      gzipSync(`${command('refs/heads/berth/abc')}0000`),
      gzipSync(pushOf('refs/heads/main')),
    ]);
    for (const [body, headers] of [
      [Buffer.from('no gzip'), gzip],
      [gzipSync(pushOf('refs/heads/berth/abc')), { 'content-encoding': 'br' }],
      [second, gzip],
      [Buffer.from(`0000${pushOf('refs/heads/main').toString()}`), {}],
      [Buffer.from(packet('push-cert\0')), {}],
      [Buffer.from(command('refs/heads/berth/abc', ONE).slice(0, 60)), {}],
    ] as [Buffer, http.OutgoingHttpHeaders][])
      expect(await push(body, headers)).toMatchObject({ status: 403 });
    expect(emulator.requests).toEqual([]);
    // What is let through arrives uncompressed.
    await push(gzipSync(pushOf('refs/heads/berth/abc')));
    expect(emulator.requests[0]?.headers).not.toHaveProperty('content-encoding');
    expect(emulator.requests).toHaveLength(1);
  });
});

describe('a git server that is given a credential', () => {
  let proxy: ProxyUnderTest;
  let server: TestServer;
  const seen: (string | undefined)[] = [];

  async function start(handler: http.RequestListener): Promise<void> {
    seen.length = 0;
    server = await serve((request, response) => {
      seen.push(request.headers.authorization);
      handler(request, response);
    });
    proxy = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/acme/app.git', upstreamUrl: `${server.url}/acme/app.git`, pushRefs: [] },
      limits: { notYetSeconds: 0.01, withdrawnSeconds: 0.05 },
    });
    proxy.controlPlane.lease(tokenOf(TOKEN));
  }
  afterEach(() => Promise.all([proxy.close(), server.close()]));

  it('gets it at another path of the same origin, and nobody gets it at another', async () => {
    const other = await serve((request, response) => {
      seen.push(`elsewhere ${request.headers.authorization}`);
      response.end();
    });
    let location = '/acme/new.git/info/refs?service=git-upload-pack';
    await start((request, response) => {
      if (request.url?.includes('/new.git/') && location.startsWith('/')) response.end('refs');
      else response.writeHead(301, { location }).end();
    });
    expect(await send(proxy.socket, REFS)).toMatchObject({ status: 200, body: 'refs' });
    expect(seen).toEqual([BASIC, BASIC]);
    location = `${other.url}/acme/app.git/info/refs?service=git-upload-pack`;
    expect(await send(proxy.socket, REFS)).toMatchObject({ status: 502 });
    expect(seen).toEqual([BASIC, BASIC, BASIC]);
    await other.close();
  });

  it('cannot hand it to the agent in a header or a refusal', async () => {
    await start((request, response) => {
      const { authorization = '' } = request.headers;
      const token = Buffer.from(authorization.slice(6), 'base64').toString();
      response.writeHead(seen.length === 1 ? 200 : 401, { 'x-echo': authorization, 'x-token': token });
      response.end(`seen ${seen.length}`);
    });
    const answer = await send(proxy.socket, REFS);
    expect(answer).toMatchObject({ status: 200, body: 'seen 1' });
    expect(JSON.stringify(answer.headers)).not.toMatch(/tokenThatNoAgent|eC1hY2Nlc3M/);
    proxy.controlPlane.nextLease = null;
    proxy.controlPlane.leaseAnswers.push({ status: 409, body: { code: 'no-git-credential' } });
    const refused = await send(proxy.socket, REFS);
    expect(refused.status).toBe(403);
    expect(JSON.stringify(refused)).not.toMatch(/tokenThatNoAgent|eC1hY2Nlc3M|seen/);
  });

  it('loses the call when people take the credential away', async () => {
    await start((_request, response) => void response.writeHead(200).write('the beginning'));
    const answer = send(proxy.socket, REFS);
    await until('the call', () => seen.length === 1);
    const { credentialId } = proxy.controlPlane.lease(tokenOf(TOKEN));
    proxy.controlPlane.withdrawn = { status: 200, body: { credentialIds: [credentialId] } };
    await expect(answer).rejects.toThrow(/aborted|hang up|reset/);
    expect(proxy.controlPlane.withdrawnCalls[0]).toEqual([credentialId]);
  });
});
