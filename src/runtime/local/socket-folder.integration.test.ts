import { chmod, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemIds } from '../../kernel/index.js';
import { makeSocketFolder, socketFolder, socketPath } from './socket-folder.js';

describe('socketFolder', () => {
  const id = systemIds.next();

  it('lies in the data directory when that is short enough', () => {
    expect(dirname(socketFolder('/srv/berth', id, '/temporary'))).toBe('/srv/berth/run');
  });

  it('is another one for each workspace, even for ids with the same short id', () => {
    const ids = ['01a200ba-6639-7344-a8ee-000012345678', '01a200ba-6639-7344-a8ee-000112345678'];
    expect(new Set(ids.map((each) => socketFolder('/srv/berth', each, '/temporary'))).size).toBe(2);
  });

  it.each([10, 50, 64, 65, 66, 80, 200, 3000])('fits with a data directory of %d bytes', (length) => {
    const data = `/${'d'.repeat(length - 1)}`;
    const folder = socketFolder(data, id, '/temporary');
    expect(Buffer.byteLength(socketPath(folder))).toBeLessThan(100);
    expect(socketFolder(data, id, '/temporary')).toBe(folder);
    expect(socketFolder(`${data}x`, id, '/temporary')).not.toBe(folder);
  });

  it('fits when the temporary folder is too deep as well, and counts bytes and not letters', () => {
    const deep = `/${'ü'.repeat(60)}`;
    expect(Buffer.byteLength(socketPath(socketFolder(deep, id, deep)))).toBeLessThan(100);
  });
});

describe('makeSocketFolder', () => {
  let base: string;
  let folder: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'berth-sockets-'));
    folder = join(base, 'run', 'one');
  });
  afterEach(() => rm(base, { recursive: true }));

  it('makes private folders, and takes its own again', async () => {
    await makeSocketFolder(folder);
    await makeSocketFolder(folder);
    for (const each of [folder, dirname(folder)]) expect((await stat(each)).mode & 0o777).toBe(0o700);
  });

  it('refuses a folder that others may enter', async () => {
    await mkdir(dirname(folder));
    await chmod(dirname(folder), 0o755);
    await expect(makeSocketFolder(folder)).rejects.toMatchObject({ code: 'runtime-failed' });
  });

  it('refuses a link that somebody placed there', async () => {
    await mkdir(join(base, 'elsewhere'), { mode: 0o700 });
    await symlink(join(base, 'elsewhere'), dirname(folder));
    await expect(makeSocketFolder(folder)).rejects.toMatchObject({ code: 'runtime-failed' });
  });

  const asRoot = process.getuid?.() === 0 ? it : it.skip;
  asRoot('refuses a folder of another user', async () => {
    const { chown } = await import('node:fs/promises');
    await mkdir(dirname(folder), { mode: 0o700 });
    await chown(dirname(folder), 65534, 65534);
    await expect(makeSocketFolder(folder)).rejects.toMatchObject({ code: 'runtime-failed' });
  });
});
