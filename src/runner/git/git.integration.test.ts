import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGitEmulator, type GitEmulator } from '../../../test/emulators/git.js';
import type { RepositorySource } from '../../contracts/runner.js';
import { compileRunner } from '../support/compile.js';
import { Place } from '../support/place.js';
import { git, makeBare, makeRepository } from '../support/repository.js';
import { until } from '../support/until.js';
import { startWorkspaceProxy, type WorkspaceProxy } from '../support/workspace-proxy.js';

const ADA = { name: 'Ada', email: 'ada@example.com' };
const alive = new AbortController().signal;

describe('git of a workspace', () => {
  let compiled: string;
  let place: Place;

  beforeAll(async () => {
    compiled = await compileRunner();
  });
  afterAll(() => rmSync(compiled, { recursive: true, force: true }));
  beforeEach(() => {
    place = new Place(compiled);
  });
  afterEach(() => rmSync(place.folder, { recursive: true, force: true }));

  const fileSource = (path: string): RepositorySource => ({ type: 'file', url: `file://${path}`, path });
  const write = (name: string, text: string) => writeFileSync(join(place.tree, name), text);
  /** The host's git on the tree: safe here, since these trees are our own. */
  const inTree = (...args: string[]) => git(place.tree, '-c', 'safe.directory=*', ...args);

  describe('preparing a tree', () => {
    let origin: string;
    let source: RepositorySource;

    beforeEach(() => {
      origin = makeRepository(join(place.folder, 'origin'));
      source = fileSource(origin);
    });

    it("checks out the default branch's head on the workspace's own branch", async () => {
      await place.open(source).prepare(alive);

      expect(inTree('branch', '--show-current')).toBe(place.branch);
      expect(inTree('rev-parse', 'HEAD')).toBe(git(origin, 'rev-parse', 'main'));
      expect(inTree('remote', 'get-url', 'origin')).toBe(origin);
      expect(readFileSync(join(place.tree, 'README.md'), 'utf8')).toBe('# Hello\n');
    });

    it.each([
      ['a branch', 'topic'],
      ['a tag', 'v1'],
      ['a commit', 'COMMIT'],
      ['a ref that no clone brings along', 'refs/pull/7/head'],
    ])('starts from %s', async (_what, ref) => {
      git(origin, 'checkout', '--quiet', '-b', 'topic');
      git(origin, 'commit', '--quiet', '--allow-empty', '-m', 'second');
      const commit = git(origin, 'rev-parse', 'HEAD');
      git(origin, 'tag', 'v1');
      git(origin, 'update-ref', 'refs/pull/7/head', commit);
      git(origin, 'checkout', '--quiet', 'main');

      await place.open(source, ref === 'COMMIT' ? commit : ref).prepare(alive);

      expect(inTree('rev-parse', 'HEAD')).toBe(commit);
      expect(inTree('branch', '--show-current')).toBe(place.branch);
    });

    it.each([
      'no-such-branch',
      '0123456789',
      '--upload-pack=touch /tmp/x',
      '+main:main',
      'HEAD~1',
      'a b',
      'main@{0}',
    ])('says that there is no ref %s', async (ref) => {
      await expect(place.open(source, ref).prepare(alive)).rejects.toMatchObject({ code: 'ref-not-found' });
    });

    it('works with an empty repository, up to the first published commit', async () => {
      const empty = join(place.folder, 'empty.git');
      git(place.folder, 'init', '--quiet', '--bare', empty);
      const workspace = place.open(fileSource(empty));
      await workspace.prepare(alive);
      expect(await workspace.publishWork('nothing', ADA, alive)).toBeNull();
      write('first.txt', 'first');

      const commit = (await workspace.publishWork('the first file', ADA, alive))?.commit;

      expect(git(empty, 'rev-parse', place.branch)).toBe(commit);
      expect(git(empty, 'show', `${place.branch}:first.txt`)).toBe('first');
    });

    it('continues from the own branch when origin has it', async () => {
      git(origin, 'checkout', '--quiet', '-b', place.branch);
      git(origin, 'commit', '--quiet', '--allow-empty', '-m', 'earlier work');
      git(origin, 'checkout', '--quiet', 'main');
      const workspace = place.open(source);
      await workspace.prepare(alive);

      expect(inTree('log', '-1', '--format=%s')).toBe('earlier work');
      expect(await workspace.publishWork('nothing', ADA, alive)).toBeNull();
    });

    it('leaves a prepared tree as it is, whichever of its two markers was lost', async () => {
      await place.open(source).prepare(alive);
      write('work.txt', 'not committed');
      write('.git/index.lock', 'left by a killed git');

      rmSync(place.scratch, { recursive: true });
      await expect(place.open(source).prepare(alive)).rejects.toMatchObject({ code: 'git-failed' });
      place.newSandbox();
      await place.open(source).prepare(alive);
      expect(inTree('status', '--porcelain')).toBe('?? work.txt');
      rmSync(join(place.tree, '.git'), { recursive: true });
      await place.open(source).prepare(alive);

      expect(readFileSync(join(place.tree, 'work.txt'), 'utf8')).toBe('not committed');
    });

    it('starts over where an earlier runner was killed half-way', async () => {
      mkdirSync(place.tree, { recursive: true });
      git(place.folder, 'clone', '--quiet', '--no-checkout', origin, place.tree);
      write('.git/HEAD.lock', '');
      mkdirSync(join(place.tree, 'half'));
      symlinkSync(origin, join(place.tree, 'half', 'link'));

      await place.open(source).prepare(alive);

      expect(readdirSync(place.tree).sort()).toEqual(['.git', 'README.md']);
      expect(readdirSync(origin)).toContain('README.md');
    });

    it('refuses a repository that is not there, or that would show folders of Berth', async () => {
      const missing = fileSource(join(place.folder, 'missing'));
      expect(() => place.open(missing)).toThrow(
        expect.objectContaining({ code: 'repository-not-found' }) as Error,
      );
      symlinkSync(place.folder, join(origin, 'link'));
      for (const path of ['/', place.folder, place.scratch, join(place.tree, '..'), join(origin, 'link')]) {
        expect(() => place.open(fileSource(path))).toThrow(/files of Berth itself/);
      }
      const plain = join(place.folder, 'plain');
      mkdirSync(plain);
      await expect(place.open(fileSource(plain)).prepare(alive)).rejects.toMatchObject({
        code: 'repository-not-found',
      });
    });
  });

  describe('publishing into a repository of this machine', () => {
    let origin: string;
    let source: RepositorySource;

    beforeEach(async () => {
      origin = makeRepository(join(place.folder, 'origin'));
      source = fileSource(origin);
      await place.open(source).prepare(alive);
    });

    it('commits what is left over, for the member who asked, and moves only the own branch', async () => {
      write('a.txt', 'a');
      const asked = `\n  ${'long words '.repeat(20)}\nmore`;
      const commit = (
        await place.open(source).publishWork(asked, { name: 'Ada <x>\n', email: 'ada@e' }, alive)
      )?.commit;

      expect(git(origin, 'rev-parse', place.branch)).toBe(commit);
      const [author, subject] = git(origin, 'log', '-1', '--format=%an|%s', place.branch).split('|');
      expect(author).toBe('Ada  x');
      expect(subject?.length).toBeLessThanOrEqual(72);
      expect(subject).toMatch(/^long words .*…$/);
      expect(git(origin, 'rev-parse', 'main')).toBe(inTree('rev-parse', 'HEAD~1'));
      expect(git(origin, 'status', '--porcelain')).toBe('');
      expect(await place.open(source).publishWork('again', ADA, alive)).toBeNull();
    });

    it("publishes the tree's head, whatever the agent did with branches, also back to an older commit", async () => {
      inTree('checkout', '--quiet', '--detach');
      write('b.txt', 'b');
      const detached = (await place.open(source).publishWork('detached', ADA, alive))?.commit;
      expect(git(origin, 'rev-parse', place.branch)).toBe(detached);

      inTree('checkout', '--quiet', '-b', 'of-the-agent', 'origin/main');
      const back = (await place.open(source).publishWork('back', ADA, alive))?.commit;
      expect(back).toBe(git(origin, 'rev-parse', 'main'));
      expect(git(origin, 'rev-parse', place.branch)).toBe(back);
      expect(git(origin, 'for-each-ref', '--format=%(refname)').split('\n').sort()).toEqual(
        [`refs/heads/${place.branch}`, 'refs/heads/main'].sort(),
      );
    });

    it('hands over everything when the repository lost what the tree builds upon', async () => {
      write('c.txt', 'c');
      git(origin, 'checkout', '--quiet', '--orphan', 'other');
      git(origin, 'commit', '--quiet', '-m', 'other history');
      git(origin, 'branch', '--quiet', '-D', 'main');
      git(origin, 'reflog', 'expire', '--expire=now', '--all');
      git(origin, 'gc', '--quiet', '--prune=now');

      const commit = (await place.open(source).publishWork('c', ADA, alive))?.commit;
      expect(git(origin, 'rev-parse', place.branch)).toBe(commit);
      expect(git(origin, 'fsck', '--full')).not.toContain('missing');
    });

    it('does not move a branch that is checked out, and says so', async () => {
      git(origin, 'checkout', '--quiet', '-b', place.branch);
      const before = git(origin, 'rev-parse', 'HEAD');
      write('d.txt', 'd');

      await expect(place.open(source).publishWork('d', ADA, alive)).rejects.toMatchObject({
        code: 'branch-checked-out',
      });
      expect(git(origin, 'rev-parse', 'HEAD')).toBe(before);
      expect(readdirSync(place.scratch).filter((name) => /^(in|out)-/.test(name))).toEqual([]);
    });

    it("runs nothing of the tree's choosing where the repository is writable", async () => {
      const evil = '#!/bin/sh\n' + `echo ran >> /workspace/ran.txt; echo owned > ${origin}/owned.txt\n`;
      mkdirSync(join(place.tree, '.git', 'evil'));
      for (const name of ['pre-commit', 'post-commit', 'pre-push', 'reference-transaction', 'fsmonitor']) {
        writeFileSync(join(place.tree, '.git', 'evil', name), evil, { mode: 0o755 });
      }
      inTree('config', 'core.hooksPath', '.git/evil');
      inTree('config', 'core.fsmonitor', '.git/evil/fsmonitor');
      inTree('config', 'filter.evil.clean', `sh -c 'echo owned > ${origin}/owned.txt; cat'`);
      inTree('config', 'remote.origin.uploadpack', '.git/evil/fsmonitor');
      inTree('config', 'uploadpack.packObjectsHook', '/workspace/.git/evil/fsmonitor');
      write('.gitattributes', '* filter=evil\n');
      write('e.txt', 'e');

      const commit = (await place.open(source).publishWork('e', ADA, alive))?.commit;

      expect(git(origin, 'rev-parse', place.branch)).toBe(commit);
      expect(readdirSync(origin).sort()).toEqual(['.git', 'README.md']);
      expect(readdirSync(place.tree)).not.toContain('ran.txt');
    });

    it('refuses objects that are not sound, before any branch moves', async () => {
      const bad =
        'tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor no email\ncommitter no email\n\nbad\n';
      write('.git/bad', bad);
      const commit = inTree(
        'hash-object',
        '-t',
        'commit',
        '-w',
        '--literally',
        join(place.tree, '.git', 'bad'),
      );
      inTree('update-ref', `refs/heads/${place.branch}`, commit);

      await expect(place.open(source).publishWork('bad', ADA, alive)).rejects.toMatchObject({
        code: 'push-rejected',
      });
      expect(git(origin, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
    });

    it('keeps the work of a tree that lost its .git, and says that git failed', async () => {
      rmSync(join(place.tree, '.git'), { recursive: true });
      await expect(place.open(source).publishWork('x', ADA, alive)).rejects.toMatchObject({
        name: 'GitFailure',
      });
      expect(readdirSync(place.tree)).toEqual(['README.md']);
    });
  });

  describe('a repository behind the proxy', () => {
    let server: GitEmulator;
    let proxy: WorkspaceProxy;
    let root: string;
    let bare: string;
    const source: RepositorySource = {
      type: 'https',
      url: 'https://git.example/acme/app',
      path: 'git.example/acme/app.git',
    };

    beforeEach(async () => {
      root = join(place.folder, 'served');
      mkdirSync(join(root, 'acme'), { recursive: true });
      bare = makeBare(makeRepository(join(place.folder, 'seed')), join(root, 'acme', 'app.git'));
      server = await startGitEmulator({ root });
      proxy = await startWorkspaceProxy({
        socketPath: join(place.socketDirectory, 's'),
        placeholder: place.placeholder,
        gitUrl: server.url,
      });
    });
    afterEach(async () => {
      await proxy.close();
      await server.close();
    });

    it('clones, publishes, and keeps the real address as origin', async () => {
      const workspace = place.open(source);
      await workspace.prepare(alive);
      write('f.txt', 'f');
      const commit = (await workspace.publishWork('f', ADA, alive))?.commit;

      expect(git(bare, 'rev-parse', place.branch)).toBe(commit);
      expect(inTree('remote', 'get-url', 'origin')).toBe(source.url);
      expect(inTree('rev-parse', `refs/remotes/origin/${place.branch}`)).toBe(commit);
      expect(new Set(proxy.paths.map((path) => path.split('.git/')[0]))).toEqual(
        new Set(['/git/git.example/acme/app']),
      );

      inTree('reset', '--quiet', '--hard', 'origin/main');
      const back = (await workspace.publishWork('back', ADA, alive))?.commit;
      expect(git(bare, 'rev-parse', place.branch)).toBe(back);
      expect(git(bare, 'rev-parse', 'main')).toBe(back);
    });

    it('starts over after a clone that was ended in the middle', async () => {
      server.fail({ mode: 'hang', match: { method: 'POST' } });
      const ending = new AbortController();
      const first = place.open(source).prepare(ending.signal);
      await until('the clone waits', () => server.requests.some(({ method }) => method === 'POST'));
      expect(readdirSync(place.tree)).toContain('.git');
      ending.abort(new Error('the runner ends'));
      await expect(first).rejects.toThrow('the runner ends');
      expect(readdirSync(place.tree)).toContain('.git');

      await place.open(source).prepare(alive);
      expect(inTree('status', '--porcelain')).toBe('');
      expect(inTree('branch', '--show-current')).toBe(place.branch);
    });

    it.each([
      [{ status: 401, times: 'always' as const }, 'repository-authentication'],
      [{ status: 403, times: 'always' as const }, 'repository-authentication'],
      [{ status: 404, times: 'always' as const }, 'repository-not-found'],
      [{ status: 502, times: 'always' as const }, 'network'],
      [{ mode: 'cut-before-head' as const, times: 'always' as const }, 'network'],
      [{ mode: 'cut-mid-stream' as const, match: { method: 'POST' }, times: 'always' as const }, 'network'],
    ])('names the reason when cloning meets %j', async (rule, code) => {
      server.fail(rule);
      await expect(place.open(source).prepare(alive)).rejects.toMatchObject({ code });
      server.reset();
      await place.open(source).prepare(alive);
      expect(inTree('branch', '--show-current')).toBe(place.branch);
    });

    it.each([
      [401, 'push-not-allowed'],
      [403, 'push-not-allowed'],
      [503, 'network'],
    ])(
      'names the reason when pushing meets %d, keeps the commit and publishes it later',
      async (status, code) => {
        const workspace = place.open(source);
        await workspace.prepare(alive);
        write('g.txt', 'g');
        server.fail({ status, times: 'always' });
        await expect(workspace.publishWork('g', ADA, alive)).rejects.toMatchObject({ code });
        server.reset();

        const commit = (await workspace.publishWork('later', ADA, alive))?.commit;
        expect(git(bare, 'rev-parse', place.branch)).toBe(commit);
        expect(git(bare, 'log', '-1', '--format=%s', place.branch)).toBe('g');
      },
    );

    it('says that the repository refused when its hook did', async () => {
      const workspace = place.open(source);
      await workspace.prepare(alive);
      writeFileSync(join(bare, 'hooks', 'update'), '#!/bin/sh\necho no such luck\nexit 1\n', { mode: 0o755 });
      write('h.txt', 'h');

      await expect(workspace.publishWork('h', ADA, alive)).rejects.toMatchObject({ code: 'push-rejected' });
    });

    it('gives up when there is no proxy', async () => {
      await proxy.close();
      await expect(place.open(source).prepare(alive)).rejects.toMatchObject({ code: 'network' });
    });

    it("lets the agent's own git use the real address", async () => {
      await place.open(source).prepare(alive);
      const own = place.git(source);
      const heads = await own.run(['ls-remote', '--heads', source.url], { network: 'proxy' });
      expect(heads).toContain('refs/heads/main');
    });
  });
});
