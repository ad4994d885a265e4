import { chmod, chown, cp, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { query } from '../../../test/support/embedded-processes.js';
import { silentLog } from '../../kernel/index.js';
import { locateBinaries, prepareBinaries, type PostgresBinaries } from './binaries.js';
import { clusterPaths, ensureCluster, readPasswords } from './cluster.js';
import { chooseRunAs } from './identity.js';
import { ownerUrl } from './owner.js';
import { Supervisor } from './supervisor.js';

const asRoot = process.getuid?.() === 0;

describe('who runs Postgres', () => {
  let home: string;
  let directory: string;
  let binaries: PostgresBinaries;

  beforeEach(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'berth-identity-'));
    directory = path.join(home, 'postgres');
    await mkdir(directory, { mode: 0o700 });
    binaries = await locateBinaries(path.join(directory, 'lib'));
  });
  afterEach(() => rm(home, { recursive: true }));

  /** Starts, asks, stops, as the identity found without namespaces. */
  async function runWithoutNamespace(programs = binaries): Promise<{ name: string; owner: number }> {
    const runAs = await chooseRunAs(directory, programs, { unshare: '/nonexistent' });
    const paths = clusterPaths(directory);
    await ensureCluster(paths, programs, runAs);
    const { superuser, owner } = await readPasswords(paths);
    const supervisor = new Supervisor({
      paths,
      binaries: programs,
      runAs,
      password: superuser,
      log: silentLog,
      isThrowaway: false,
    });
    const port = await supervisor.start(owner);
    try {
      expect(await query(ownerUrl(port, owner), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await supervisor.stop();
    }
    return { name: runAs.name, owner: (await stat(paths.data)).uid };
  }

  it('is the user who runs Berth, or for root a namespace', async () => {
    expect((await chooseRunAs(directory, binaries)).name).toBe(asRoot ? 'namespace' : 'self');
  });

  it('is nobody for root without namespaces, over files of an earlier run too', async () => {
    await chmod(home, 0o711);
    const copy = await copyPrograms();
    if (!asRoot) {
      expect(await runWithoutNamespace(copy)).toEqual({ name: 'self', owner: process.getuid?.() });
      return;
    }
    expect(await runWithoutNamespace(copy)).toEqual({ name: 'nobody', owner: 65534 });
    await chown(path.join(directory, 'cluster', 'data', 'PG_VERSION'), 0, 0);
    expect(await runWithoutNamespace(copy)).toEqual({ name: 'nobody', owner: 65534 });
  });

  it('is the owner of the home in which root works, and else root is told which folder to open', async () => {
    await chmod(home, 0o700);
    if (!asRoot) {
      expect((await chooseRunAs(directory, binaries)).name).toBe('self');
      return;
    }
    const refused = chooseRunAs(directory, await copyPrograms(), { unshare: '/nonexistent' });
    await expect(refused).rejects.toMatchObject({
      code: 'database-unavailable',
      message: expect.stringContaining(`chmod o+x ${home}`) as string,
    });
    await chown(home, 54321, 54321);
    expect((await chooseRunAs(directory, await copyPrograms(), { unshare: '/nonexistent' })).name).toBe(
      'folder-owner',
    );
  });

  /** The programs where anybody may run them, wherever the checkout lies. */
  async function copyPrograms(): Promise<PostgresBinaries> {
    const root = path.join(home, 'programs');
    await cp(path.dirname(path.dirname(path.dirname(binaries.postgres))), root, {
      recursive: true,
      verbatimSymlinks: true,
    });
    return prepareBinaries(root, path.join(directory, 'lib'));
  }
});
