import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Bench } from '../../test/support/bench.js';
import { WorkspaceSettings } from './index.js';

describe('repositories that are folders', () => {
  let folder: string;
  let bench: Bench;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-folders-')));
    for (const name of ['roots/app', 'outside/app', 'data/workspaces', 'roots-not']) {
      await mkdir(path.join(folder, name), { recursive: true });
    }
    await writeFile(path.join(folder, 'roots/file'), '');
    await symlink(path.join(folder, 'outside/app'), path.join(folder, 'roots/out'));
    await symlink(path.join(folder, 'outside'), path.join(folder, 'roots/outdir'));
    await symlink(path.join(folder, 'data'), path.join(folder, 'roots/data'));
    await symlink(folder, path.join(folder, 'roots/parent'));
    await symlink(path.join(folder, 'roots/app'), path.join(folder, 'roots/within'));
    await symlink('loop', path.join(folder, 'roots/loop'));
    const repositories = {
      githubUrl: 'https://github.com',
      fileRoots: [path.join(folder, 'roots')],
      dataDirectory: path.join(folder, 'data'),
    };
    const workspaceSettings = new WorkspaceSettings(repositories, { claude: 'm', codex: 'm' }, 3600, 300);
    bench = await Bench.start({ parts: { workspaceSettings } });
  });
  afterAll(async () => {
    await bench.close();
    await rm(folder, { recursive: true });
  });

  const url = (name: string) => `file://${folder}/${name}`;

  it.each(['roots/app', 'roots/app/', 'roots/within'])(
    'takes %s, and gives the runtime the real folder',
    async (name) => {
      const { id } = await bench.create({ repository: url(name) });
      await bench.reconcile(id);
      const call = bench.app.runtime.callsOf('start').find(({ workspaceId }) => workspaceId === id);
      const real = path.join(folder, 'roots/app');
      expect(call?.request).toMatchObject({
        repository: { type: 'file', path: real, url: `file://${real}` },
        git: null,
      });
    },
  );

  it.each([
    ['outside the roots', 'outside/app', 'must be below'],
    ['a root that only begins the same', 'roots-not', 'must be below'],
    ['a link that leads out', 'roots/out', 'must be below'],
    ['a folder behind a link that leads out', 'roots/outdir/app', 'must be below'],
    ['a link to the data directory', 'roots/data', 'must be below'],
    ['a link above everything', 'roots/parent', 'must be below'],
    ['the data directory behind a link', 'roots/parent/data', 'must be below'],
    ['parents', 'roots/../outside/app', 'must not contain ..'],
    ['encoded parents', 'roots/%2e%2e/outside/app', 'must not contain ..'],
    ['nothing', 'roots/none', 'is not a folder'],
    ['a file', 'roots/file', 'is not a folder'],
    ['a link to itself', 'roots/loop', 'is not a folder'],
  ])('refuses %s', async (_, name, why) => {
    const { status, body } = await bench.api.call<{
      code: string;
      errors: { path: string; message: string }[];
    }>('POST', bench.api.path('/workspaces'), { repository: url(name) });
    expect([status, body.code, body.errors[0]?.path]).toEqual([422, 'validation-failed', 'body.repository']);
    expect(body.errors[0]?.message).toContain(why);
  });

  it('does not tell who may not use a folder whether it exists', async () => {
    const ask = async (name: string) =>
      (
        await bench.api.call<{ errors: { message: string }[] }>('POST', bench.api.path('/workspaces'), {
          repository: url(name),
        })
      ).body.errors;
    expect(await ask('outside/app')).toEqual(await ask('outside/none'));
  });
});
