import { execFile } from 'node:child_process';
import { cp, lstat, mkdtemp, readFile, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { locateBinaries, prepareBinaries, type PostgresBinaries } from './binaries.js';

const run = promisify(execFile);

describe('the programs of the platform package', () => {
  let root: string;
  let home: string;
  const libraries = (): string => path.join(home, 'lib');
  const version = async ({ postgres, environment }: PostgresBinaries): Promise<string> =>
    (await run(postgres, ['--version'], { env: environment })).stdout;

  /** The package as npm unpacks it when it runs no install scripts: without its symbolic links. */
  beforeEach(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'berth-binaries-'));
    root = path.join(home, 'package');
    const { postgres } = await locateBinaries(libraries());
    await cp(path.dirname(path.dirname(path.dirname(postgres))), root, {
      recursive: true,
      verbatimSymlinks: true,
    });
    const folder = path.join(root, 'native', 'lib');
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      if ((await lstat(file)).isSymbolicLink()) await unlink(file);
    }
  });
  afterEach(() => rm(home, { recursive: true }));

  it('get the links that its install script would make', async () => {
    expect(await version(await prepareBinaries(root, libraries()))).toMatch(/^postgres \(PostgreSQL\) \d/);
    // A second start, and one at the same moment, find them there.
    await Promise.all([prepareBinaries(root, libraries()), prepareBinaries(root, libraries())]);
    expect(await readdir(home)).toEqual(['package']);
  });

  it('get them beside the cluster where the package cannot be written', async () => {
    // Modes do not stop root. A link into a folder that is not there fails for everybody, as one on a read-only disk does.
    const list = path.join(root, 'native', 'pg-symlinks.json');
    const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
    const moved = links.map(({ source, target }) => ({
      source,
      target: target.replace('/lib/', '/absent/'),
    }));
    await writeFile(list, JSON.stringify(moved));

    const binaries = await prepareBinaries(root, libraries());
    if (process.platform === 'linux')
      expect(binaries.environment).toMatchObject({ LD_LIBRARY_PATH: libraries() });
    expect(await version(binaries)).toMatch(/^postgres \(PostgreSQL\) \d/);
    expect((await readdir(libraries())).sort()).toEqual(
      links.map(({ target }) => path.basename(target)).sort(),
    );
  });
});
