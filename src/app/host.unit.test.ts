import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isId, systemIds } from '../kernel/index.js';
import { hostIdOf } from './host.js';

describe('hostIdOf', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(tmpdir(), 'berth-host-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('makes one id for a directory, however many ask for it at once, and keeps it', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => hostIdOf(folder, systemIds)));
    expect(new Set(ids).size).toBe(1);
    expect(isId(ids[0] ?? '')).toBe(true);
    expect(await hostIdOf(folder, systemIds)).toBe(ids[0]);
    expect(await readdir(folder)).toEqual(['host-id']);
    expect(await readFile(path.join(folder, 'host-id'), 'utf8')).toBe(`${ids[0] ?? ''}\n`);
  });

  it('makes no other one where the file is broken: the workspaces are found by it', async () => {
    await writeFile(path.join(folder, 'host-id'), 'nonsense');
    await expect(hostIdOf(folder, systemIds)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('backup') as string,
    });
    expect(await readFile(path.join(folder, 'host-id'), 'utf8')).toBe('nonsense');
  });
});
