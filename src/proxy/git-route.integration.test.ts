import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { until } from '../../test/emulators/until.js';
import { startGitEmulator, type GitEmulator } from '../../test/emulators/git.js';
import { forward, gitThrough } from './testing/git-client.js';
import { send, sendRaw, serve, textOf } from './testing/http.js';
import { pushOf } from './testing/pushes.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const PUSH_REFS = ['refs/heads/berth/push0', 'refs/heads/berth/push4', 'refs/heads/berth/abc'];

describe('git through the proxy', () => {
  let root: string;
  let emulator: GitEmulator;
  let proxy: ProxyUnderTest;
  let way: Awaited<ReturnType<typeof forward>>;

  beforeAll(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'berth-proxy-git-'));
    await mkdir(path.join(root, 'served'));
    emulator = await startGitEmulator({ root: path.join(root, 'served') });
    await emulator.createRepository('acme/app', { 'README.md': '# App\n' });
    await emulator.createRepository('acme/other');
  });

  beforeEach(async () => {
    emulator.reset();
    proxy = await startProxy((_request, response) => void response.end(), {
      git: {
        path: 'git.example/acme/app.git',
        upstreamUrl: `${emulator.url}/acme/app.git`,
        pushRefs: PUSH_REFS,
      },
    });
    way = await forward(proxy.socket);
  });

  afterEach(async () => {
    await proxy.close();
    await way.close();
  });

  afterAll(async () => {
    await emulator.close();
    await rm(root, { recursive: true, force: true });
  });

  it('lets nothing be pushed where there is no ref to push to, and asks the server nothing about it', async () => {
    const readOnly = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/acme/app.git', upstreamUrl: `${emulator.url}/acme/app.git`, pushRefs: [] },
    });
    const only = await forward(readOnly.socket);
    const through = (...args: string[]) =>
      gitThrough({ port: only.port, home: root, host: 'git.example' }, root, ...args);
    await through('clone', '-q', 'https://git.example/acme/app', 'read-only');
    const asked = emulator.requests.length;
    await expect(through('-C', 'read-only', 'push', 'origin', 'HEAD:refs/heads/x')).rejects.toThrow(
      /Nothing may be pushed from this workspace/,
    );
    expect(emulator.requests.length).toBe(asked);
    await only.close();
    await readOnly.close();
  });

  const git = (cwd: string, ...args: string[]): ReturnType<typeof gitThrough> =>
    gitThrough({ port: way.port, home: root, host: 'git.example' }, cwd, ...args);

  it.each(['', '.git'])('clones, pushes and fetches the repository (named with “%s”)', async (ending) => {
    await git(root, 'clone', '-q', `https://git.example/acme/app${ending}`, `tree${ending}`);
    const tree = path.join(root, `tree${ending}`);
    const branch = `berth/push${ending.length}`;
    // Above git's post buffer of 1 MB the pack is sent in chunks.
    await writeFile(path.join(tree, 'large.bin'), randomBytes(3 * 1024 * 1024));
    await git(tree, 'checkout', '-q', '-b', branch);
    await git(tree, 'add', '-A');
    await git(tree, 'commit', '-q', '-m', 'large');
    await git(tree, 'push', '-q', 'origin', `HEAD:refs/heads/${branch}`);
    const { stdout: head } = await git(tree, 'rev-parse', 'HEAD');
    const { stdout: remote } = await git(path.join(root, 'served', 'acme', 'app.git'), 'rev-parse', branch);
    expect(remote).toBe(head);
    await git(tree, 'fetch', '-q', 'origin');
    const { stdout: tracked } = await git(tree, 'rev-parse', `origin/${branch}`);
    expect(tracked).toBe(head);
    expect(emulator.requests.every(({ credential }) => credential.kind === 'none')).toBe(true);
    expect(new Set(proxy.controlPlane.leaseCalls.map(({ upstream }) => upstream))).toEqual(new Set(['git']));
  });

  it('sends gzipped request bodies on', async () => {
    const [tree, clone] = [path.join(root, 'theirs'), path.join(root, 'mine')];
    for (const to of [tree, clone]) await git(root, 'clone', '-q', 'https://git.example/acme/app.git', to);
    await git(tree, 'commit', '-q', '--allow-empty', '-m', 'theirs');
    await git(tree, 'push', '-q', 'origin', 'HEAD:refs/heads/berth/abc');
    // Enough commits of its own that the list of "have" lines is worth compressing (1 KB).
    for (let i = 0; i < 60; i++) await git(clone, 'commit', '-q', '--allow-empty', '-m', `mine ${i}`);
    await git(clone, 'fetch', '-q', 'origin');
    expect(emulator.requests.some(({ headers }) => headers['content-encoding'] === 'gzip')).toBe(true);
  });

  it('drops what credentials git was given', async () => {
    await git(
      root,
      '-c',
      'http.extraHeader=Authorization: Basic dTpw',
      '-c',
      'http.extraHeader=Cookie: a=b',
      'ls-remote',
      'https://git.example/acme/app.git',
    );
    expect(emulator.requests.length).toBeGreaterThan(0);
    for (const { headers } of emulator.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(headers.cookie).toBeUndefined();
    }
  });

  it('passes a refusal of the git server on', async () => {
    emulator.protect('acme/other');
    await proxy.workspaces.open({
      ...proxy.command,
      git: { path: 'git.example/acme/other.git', upstreamUrl: `${emulator.url}/acme/other`, pushRefs: [] },
    });
    const refused = git(root, 'ls-remote', 'https://git.example/acme/other');
    await expect(refused).rejects.toThrow(
      /remote: The git server asks for a login, and Berth holds no git token/,
    );
  });

  it.each([
    ['GET', '/git/git.example/acme/app.git/info/refs'],
    ['GET', '/git/git.example/acme/app.git/info/refs?service=git-upload-archive'],
    ['GET', '/git/git.example/acme/app.git/info/refs?service=git-upload-pack&x=1'],
    ['GET', '/git/git.example/acme/app.git/HEAD'],
    ['GET', '/git/git.example/acme/app.git/objects/info/packs'],
    ['GET', '/git/git.example/acme/app.git/git-upload-pack'],
    ['POST', '/git/git.example/acme/app.git/git-upload-pack?x=1'],
    ['POST', '/git/git.example/acme/app.git/git-upload-archive'],
    ['GET', '/git/git.example/acme/app.gitx/info/refs?service=git-upload-pack'],
    ['GET', '/git/git.example/acme/other.git/info/refs?service=git-upload-pack'],
    ['GET', '/git/other.example/acme/app.git/info/refs?service=git-upload-pack'],
    ['HEAD', '/git/git.example/acme/app.git/info/refs?service=git-upload-pack'],
    ['GET', '/git'],
  ])('refuses %s %s', async (method, target) => {
    const answer = await send(proxy.socket, { method, path: target });
    expect(answer.status).toBe(403);
    if (method !== 'HEAD') expect(answer.body).toMatch(/own repository is allowed/);
    expect(emulator.requests).toHaveLength(0);
  });

  it('does not take a placeholder for a way around', async () => {
    const answer = await send(proxy.socket, {
      method: 'GET',
      path: '/git/git.example/acme/other.git/info/refs?service=git-upload-pack',
      headers: { authorization: `Bearer ${PLACEHOLDER}` },
    });
    expect(answer.status).toBe(403);
  });

  it('says so when the workspace has no https repository, or its server is away', async () => {
    const away = {
      path: 'git.example/acme/app.git',
      upstreamUrl: 'http://127.0.0.1:1/acme/app.git',
      pushRefs: PUSH_REFS,
    };
    await proxy.workspaces.open({ ...proxy.command, git: away });
    const refs = { method: 'GET', path: '/git/git.example/acme/app.git/info/refs?service=git-upload-pack' };
    expect(await send(proxy.socket, refs)).toMatchObject({
      status: 502,
      headers: { 'content-type': /text\/plain/ },
    });
    // With a body on its way, too: the answer must arrive before the connection goes.
    const push = {
      path: '/git/git.example/acme/app.git/git-receive-pack',
      body: pushOf('refs/heads/berth/abc', Buffer.alloc(4 * 1024 * 1024)),
    };
    expect(await send(proxy.socket, push)).toMatchObject({ status: 502 });
    await proxy.workspaces.open({ ...proxy.command, git: null });
    expect(await send(proxy.socket, refs)).toMatchObject({ status: 403 });
  });
});

describe('a push that does not come to its end', () => {
  const head = (more: string): string =>
    `POST /git/git.example/app.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n${more}\r\n${pushOf('refs/heads/berth/abc').toString('latin1')}`;

  it('never reaches the git server as one that did', async () => {
    let begun = 0;
    let cut = 0;
    let whole = 0;
    const server = await serve((request, response) => {
      begun += 1;
      textOf(request).then(
        () => {
          whole += 1;
          response.end();
        },
        () => (cut += 1),
      );
    });
    const proxy = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/app.git', upstreamUrl: `${server.url}/app.git`, pushRefs: PUSH_REFS },
      limits: { bodyTimeoutSeconds: 0.3 },
    });
    const leaver = net.connect(proxy.socket);
    leaver.write(head(''));
    await until('the push upstream', () => begun === 1);
    leaver.destroy();
    await until('its end', () => cut === 1);
    expect(await sendRaw(proxy.socket, head('connection: close\r\n'))).toMatch(/^HTTP\/1\.1 408 /);
    await until('the end of the stalled one', () => cut === 2);
    expect(whole).toBe(0);
    await Promise.all([proxy.close(), server.close()]);
  });

  it('gets the answer that a git server gives before its end', async () => {
    const server = await serve((_request, response) => void response.writeHead(403).end('no pushes here'));
    const proxy = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/app.git', upstreamUrl: `${server.url}/app.git`, pushRefs: PUSH_REFS },
    });
    const push = {
      path: '/git/git.example/app.git/git-receive-pack',
      body: pushOf('refs/heads/berth/abc', Buffer.alloc(8 * 1024 * 1024)),
    };
    const answer = await send(proxy.socket, push);
    expect([403, 502]).toContain(answer.status); // The git server may cut its connection while the body is still on its way.
    await Promise.all([proxy.close(), server.close()]);
  });
});

describe('redirects of a git server', () => {
  const refs = (name: string): string => `/${name}.git/info/refs?service=git-upload-pack`;

  async function withServer(
    location: (url: string) => string,
    check: (proxy: ProxyUnderTest, seen: string[]) => Promise<void>,
  ): Promise<void> {
    const seen: string[] = [];
    const server = await serve((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === refs('old'))
        response.writeHead(301, { location: location(server.url) }).end('moved');
      else response.end('refs');
    });
    const proxy = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/old.git', upstreamUrl: `${server.url}/old.git`, pushRefs: PUSH_REFS },
    });
    await check(proxy, seen);
    await Promise.all([proxy.close(), server.close()]);
  }

  const ask = { method: 'GET', path: `/git/git.example${refs('old')}` };

  it.each([
    ['an absolute URL', (url: string) => url + refs('new')],
    ['a path', () => refs('new')],
  ])('follows one to %s of the same host, and stays there', async (_name, location) => {
    await withServer(location, async (proxy, seen) => {
      expect(await send(proxy.socket, ask)).toMatchObject({ status: 200, body: 'refs' });
      await send(proxy.socket, { path: '/git/git.example/old.git/git-upload-pack', body: '0000' });
      expect(seen).toEqual([`GET ${refs('old')}`, `GET ${refs('new')}`, 'POST /new.git/git-upload-pack']);
    });
  });

  it.each([
    ['another host', () => `http://elsewhere.example${refs('new')}`],
    ['another port', (url: string) => url.replace(/\d+$/, '1') + refs('new')],
    ['another scheme', (url: string) => url.replace('http:', 'file:') + refs('new')],
    ['another service', () => refs('new').replace('upload', 'receive')],
    ['a page', () => '/login'],
    ['itself again', () => refs('old')],
  ])('does not follow one to %s', async (_name, location) => {
    await withServer(location, async (proxy, seen) => {
      const answer = await send(proxy.socket, ask);
      expect(answer.status).toBe(502);
      expect(answer.body).toMatch(/redirects elsewhere \(301\)/);
      expect(answer.headers).not.toHaveProperty('location');
      expect(new Set(seen)).toEqual(new Set([`GET ${refs('old')}`]));
      expect(seen.length).toBeLessThanOrEqual(2);
    });
  });

  it('follows none of an exchange', async () => {
    const server = await serve(
      (_request, response) => void response.writeHead(302, { location: '/x' }).end(),
    );
    const proxy = await startProxy((_request, response) => void response.end(), {
      git: { path: 'git.example/old.git', upstreamUrl: `${server.url}/old.git`, pushRefs: PUSH_REFS },
    });
    const push = { path: '/git/git.example/old.git/git-receive-pack', body: pushOf('refs/heads/berth/abc') };
    expect(await send(proxy.socket, push)).toMatchObject({ status: 502 });
    await Promise.all([proxy.close(), server.close()]);
  });
});
