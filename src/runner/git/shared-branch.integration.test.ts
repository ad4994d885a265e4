import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGitEmulator, type GitEmulator } from '../../../test/emulators/git.js';
import type { RepositorySource } from '../../contracts/runner.js';
import { compileRunner } from '../support/compile.js';
import { Place } from '../support/place.js';
import { git, makeBare, makeRepository } from '../support/repository.js';
import { startWorkspaceProxy, type WorkspaceProxy } from '../support/workspace-proxy.js';
import type { Workspace } from '../workspace.js';

const ADA = { name: 'Ada', email: '7+ada@users.noreply.github.com' };
const TOPIC = 'fix/the-bug';
const alive = new AbortController().signal;

describe('a branch that people share', () => {
  let compiled: string;
  let place: Place;
  let server: GitEmulator;
  let proxy: WorkspaceProxy;
  let bare: string;
  /** Where somebody else works on the same branch. */
  let theirs: string;
  let source: RepositorySource;

  beforeAll(async () => {
    compiled = await compileRunner();
  });
  afterAll(() => rmSync(compiled, { recursive: true, force: true }));

  beforeEach(async () => {
    place = new Place(compiled);
    const root = join(place.folder, 'server');
    mkdirSync(join(root, 'acme'), { recursive: true });
    theirs = makeRepository(join(place.folder, 'theirs'), { 'a.txt': 'a\n', 'b.txt': 'b\n' });
    git(theirs, 'checkout', '--quiet', '-b', TOPIC);
    git(theirs, 'commit', '--quiet', '--allow-empty', '-m', 'of the pull request');
    bare = makeBare(theirs, join(root, 'acme', 'app.git'));
    git(theirs, 'remote', 'add', 'origin', bare);
    server = await startGitEmulator({ root });
    proxy = await startWorkspaceProxy({
      socketPath: join(place.socketDirectory, 's'),
      placeholder: place.placeholder,
      gitUrl: server.url,
    });
    source = {
      type: 'https',
      url: 'https://git.example/acme/app.git',
      path: 'git.example/acme/app.git',
    };
  });

  afterEach(async () => {
    await proxy.close();
    await server.close();
    rmSync(place.folder, { recursive: true, force: true });
  });

  const write = (name: string, text: string) => writeFileSync(join(place.tree, name), text);
  const inTree = (...args: string[]) => git(place.tree, '-c', 'safe.directory=*', ...args);
  const at = (branch: string) => git(bare, 'rev-parse', branch);
  const heads = () => git(bare, 'for-each-ref', '--format=%(refname:short)', 'refs/heads').split('\n').sort();

  async function opened(): Promise<Workspace> {
    const workspace = place.open(source, null, { branch: TOPIC, fallbackBranch: place.branch });
    await workspace.prepare(alive);
    return workspace;
  }

  /** Somebody else changes a file and pushes. */
  function pushTheirs(name: string, text: string): string {
    git(theirs, 'fetch', '--quiet', 'origin');
    git(theirs, 'reset', '--quiet', '--hard', `origin/${TOPIC}`);
    writeFileSync(join(theirs, name), text);
    git(theirs, 'add', '--all');
    git(theirs, 'commit', '--quiet', '-m', `theirs: ${name}`);
    git(theirs, 'push', '--quiet', 'origin', TOPIC);
    return git(theirs, 'rev-parse', 'HEAD');
  }

  it('is checked out at its head and pushed to, and no other is', async () => {
    const before = at(TOPIC);
    const workspace = await opened();
    expect(inTree('branch', '--show-current')).toBe(TOPIC);
    expect(inTree('rev-parse', 'HEAD')).toBe(before);
    expect(await workspace.catchUp(ADA, alive)).toBeNull();
    expect(await workspace.publishWork('nothing', ADA, alive)).toBeNull();
    write('c.txt', 'c');

    const published = await workspace.publishWork('c', ADA, alive);

    expect(published).toEqual({ branch: TOPIC, commit: at(TOPIC) });
    expect(git(bare, 'log', '-1', '--format=%an <%ae>', TOPIC)).toBe(`Ada <${ADA.email}>`);
    expect(git(bare, 'rev-parse', `${TOPIC}~1`)).toBe(before);
    expect(heads()).toEqual([TOPIC, 'main']);
    expect(await workspace.publishWork('again', ADA, alive)).toBeNull();
  });

  it('takes in what others push, before a turn and while the agent works', async () => {
    const workspace = await opened();
    const first = pushTheirs('theirs-1.txt', '1');
    const note = await workspace.catchUp(ADA, alive);
    expect(note).toContain(`others pushed a commit to ${TOPIC}`);
    expect(readFileSync(join(place.tree, 'theirs-1.txt'), 'utf8')).toBe('1');

    write('ours.txt', 'ours');
    const second = pushTheirs('theirs-2.txt', '2');
    const published = await workspace.publishWork('ours', ADA, alive);

    expect(published?.commit).toBe(at(TOPIC));
    for (const commit of [first, second]) git(bare, 'merge-base', '--is-ancestor', commit, TOPIC);
    expect(git(bare, 'ls-tree', '--name-only', TOPIC).split('\n')).toEqual(
      expect.arrayContaining(['ours.txt', 'theirs-1.txt', 'theirs-2.txt']),
    );
    expect(await workspace.catchUp(ADA, alive)).toBeNull();
  });

  it('loses nothing of who pushes between the look and the push', async () => {
    const workspace = await opened();
    const theirCommit = pushTheirs('theirs.txt', 'theirs');
    git(bare, 'update-ref', `refs/heads/${TOPIC}`, `${theirCommit}~1`);
    // As the server takes our push, theirs comes first, once.
    const hook = `#!/bin/sh\n[ -e raced ] && exit 0\ntouch raced\ngit update-ref refs/heads/${TOPIC} ${theirCommit}\n`;
    writeFileSync(
      join(bare, 'hooks', 'pre-receive'),
      hook.replace('git update', 'env -u GIT_QUARANTINE_PATH git update'),
      {
        mode: 0o755,
      },
    );
    write('ours.txt', 'ours');

    const published = await workspace.publishWork('ours', ADA, alive);

    expect(published?.commit).toBe(at(TOPIC));
    git(bare, 'merge-base', '--is-ancestor', theirCommit, TOPIC);
  });

  it('pushes nothing that conflicts, says where, and publishes what the agent merged', async () => {
    const workspace = await opened();
    write('a.txt', 'ours\n');
    const theirCommit = pushTheirs('a.txt', 'theirs\n');

    await expect(workspace.publishWork('a', ADA, alive)).rejects.toMatchObject({
      code: 'merge-conflict',
      message: expect.stringContaining('"a.txt"') as string,
    });
    expect(at(TOPIC)).toBe(theirCommit);
    expect(inTree('status', '--porcelain')).toBe('');
    expect(readFileSync(join(place.tree, 'a.txt'), 'utf8')).toBe('ours\n');

    expect(await workspace.catchUp(ADA, alive)).toContain('could not be merged');
    expect(inTree('rev-parse', `origin/${TOPIC}`)).toBe(theirCommit);
    const agent = place.git(source);
    await agent.try(['-c', 'user.name=x', '-c', 'user.email=x@x', 'merge', `origin/${TOPIC}`]);
    write('a.txt', 'both\n');
    const published = await workspace.publishWork('merged', ADA, alive);
    expect(published?.commit).toBe(at(TOPIC));
    git(bare, 'merge-base', '--is-ancestor', theirCommit, TOPIC);
    expect(git(bare, 'show', `${TOPIC}:a.txt`)).toBe('both');
  });

  it('does not bring back what others took back', async () => {
    const workspace = await opened();
    const before = at(TOPIC);
    write('secret.txt', 'of the agent');
    await workspace.publishWork('a mistake', ADA, alive);
    git(bare, 'update-ref', `refs/heads/${TOPIC}`, before);

    expect(await workspace.catchUp(ADA, alive)).toContain(`others rewrote ${TOPIC}`);
    write('good.txt', 'good');
    await workspace.publishWork('better', ADA, alive);

    expect(git(bare, 'rev-parse', `${TOPIC}~1`)).toBe(before);
    expect(git(bare, 'ls-tree', '--name-only', TOPIC)).not.toContain('secret.txt');
  });

  it('is never moved back, whatever the agent did to its history', async () => {
    const workspace = await opened();
    const before = at(TOPIC);
    inTree('reset', '--quiet', '--hard', 'origin/main');
    write('c.txt', 'c');

    await workspace.publishWork('c', ADA, alive);

    git(bare, 'merge-base', '--is-ancestor', before, TOPIC);
    expect(git(bare, 'show', `${TOPIC}:c.txt`)).toBe('c');
  });

  it('is not made again after it was deleted', async () => {
    const workspace = await opened();
    git(bare, 'update-ref', '-d', `refs/heads/${TOPIC}`);
    expect(await workspace.catchUp(ADA, alive)).toContain('is not in the repository any more');
    write('c.txt', 'c');
    await expect(workspace.publishWork('c', ADA, alive)).rejects.toMatchObject({ code: 'branch-gone' });
    expect(heads()).toEqual(['main']);
    expect(inTree('log', '-1', '--format=%s')).toBe('c');

    const late = new Place(compiled);
    rmSync(place.tree, { recursive: true });
    rmSync(place.scratch, { recursive: true });
    place.newSandbox();
    await expect(opened()).rejects.toMatchObject({ code: 'branch-gone' });
    rmSync(late.folder, { recursive: true });
  });

  it('is left alone where it is protected: the work goes to the own branch, from then on', async () => {
    const workspace = await opened();
    const before = at(TOPIC);
    const hook = `#!/bin/sh\n[ "$1" != refs/heads/${TOPIC} ] || { echo protected branch >&2; exit 1; }\n`;
    writeFileSync(join(bare, 'hooks', 'update'), hook, { mode: 0o755 });
    write('c.txt', 'c');

    const published = await workspace.publishWork('c', ADA, alive);
    expect(published).toEqual({ branch: place.branch, commit: at(place.branch) });
    write('d.txt', 'd');
    // Also for the next runner, that is told of the shared branch still.
    const next = place.open(source, null, { branch: TOPIC, fallbackBranch: place.branch });
    await next.prepare(alive);
    expect(await next.catchUp(ADA, alive)).toBeNull();
    expect(await next.publishWork('d', ADA, alive)).toEqual({
      branch: place.branch,
      commit: at(place.branch),
    });
    expect(at(TOPIC)).toBe(before);
  });

  it('is served by a repository of this machine as well', async () => {
    source = { type: 'file', url: `file://${bare}`, path: bare };
    const workspace = await opened();
    const theirCommit = pushTheirs('theirs.txt', 'theirs');
    write('ours.txt', 'ours');

    const published = await workspace.publishWork('ours', ADA, alive);

    expect(published).toEqual({ branch: TOPIC, commit: at(TOPIC) });
    git(bare, 'merge-base', '--is-ancestor', theirCommit, TOPIC);
  });

  describe('code of strangers', () => {
    const REF = 'refs/pull/7/head';
    const readOnly = () => place.open(source, REF, { readOnly: true });

    /** As GitHub keeps a fork's head in the base repository. */
    function pushFork(text: string): string {
      git(theirs, 'checkout', '--quiet', '--detach');
      writeFileSync(join(theirs, 'fork.txt'), text);
      git(theirs, 'add', '--all');
      git(theirs, 'commit', '--quiet', '-m', 'of a fork');
      git(theirs, 'push', '--quiet', 'origin', `HEAD:${REF}`);
      return git(theirs, 'rev-parse', 'HEAD');
    }

    it('is fetched anew each time, and nothing of it is pushed', async () => {
      const first = pushFork('1');
      const refs = git(bare, 'for-each-ref');
      const workspace = readOnly();
      await workspace.prepare(alive);
      expect(inTree('rev-parse', 'HEAD')).toBe(first);
      write('notes.txt', 'of the agent');
      const asked = proxy.paths.length;
      expect(await workspace.publishWork('look at it', ADA, alive)).toBeNull();
      expect(proxy.paths.length).toBe(asked);
      expect(git(bare, 'for-each-ref')).toBe(refs);
      expect(inTree('log', '-1', '--format=%s')).toBe('look at it');

      const second = pushFork('2');
      expect(await workspace.catchUp(ADA, alive)).toContain('others pushed');
      git(place.tree, '-c', 'safe.directory=*', 'merge-base', '--is-ancestor', second, 'HEAD');
      expect(readFileSync(join(place.tree, 'notes.txt'), 'utf8')).toBe('of the agent');
    });
  });
});
