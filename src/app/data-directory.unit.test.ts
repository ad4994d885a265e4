import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tieDataDirectory } from './data-directory.js';

describe('tieDataDirectory', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(tmpdir(), 'berth-data-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('ties at the first start, and lets the same database in again', async () => {
    const directory = path.join(folder, 'data');
    await tieDataDirectory(directory, 'one');
    await tieDataDirectory(directory, 'one');
    expect(await readdir(directory)).toEqual(['database-id']);
  });

  it('refuses another database, naming what to correct', async () => {
    await tieDataDirectory(folder, 'one');
    await expect(tieDataDirectory(folder, 'another')).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('DATABASE_URL') as string,
    });
    await tieDataDirectory(folder, 'one');
  });
});
