import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemIds } from '../../kernel/index.js';
import { FolderListing } from './folder-listing.js';

describe('FolderListing', () => {
  let root: string;
  let folder: string;
  let now: number;
  let listing: FolderListing;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-listing-'));
    folder = join(root, 'workspaces');
    now = 0;
    listing = new FolderListing(folder, () => now);
  });
  afterEach(() => rm(root, { recursive: true }));

  async function add(): Promise<string> {
    const id = systemIds.next();
    await mkdir(join(folder, id), { recursive: true });
    return id;
  }
  const listed = async (): Promise<string[]> => [...(await listing.ids())].sort();
  /** Lists until only a change has the folder read again. */
  async function settle(): Promise<void> {
    for (let count = 0; count < 3; count++) {
      await listing.ids();
      now += 1000;
    }
  }

  it('tells what has the name of a workspace, and follows what comes and goes', async () => {
    expect(await listed()).toEqual([]);
    const first = await add();
    await writeFile(join(folder, 'README'), '');
    await mkdir(join(folder, 'lost+found'));
    expect(await listed()).toEqual([first]);
    await settle();
    const second = await add();
    expect(await listed()).toEqual([first, second].sort());
    await settle();
    await rm(join(folder, first), { recursive: true });
    expect(await listed()).toEqual([second]);
    await settle();
    await rm(folder, { recursive: true });
    expect(await listed()).toEqual([]);
    await settle();
    const third = await add();
    expect(await listed()).toEqual([third]);
  });

  it('is the same set while nothing came or went, whatever happens inside of a workspace', async () => {
    const id = await add();
    await settle();
    const before = await listing.ids();
    await writeFile(join(folder, id, 'runner.json'), '');
    expect(await listing.ids()).toBe(before);
    now += 3_600_000;
    expect(await listing.ids()).toBe(before);
  });

  it('does not miss what came in the very moment of a reading', async () => {
    await add();
    const moment = new Date('2026-01-01T00:00:00Z');
    await utimes(folder, moment, moment);
    for (let count = 0; count < 2; count++) {
      await listing.ids();
      const before = (await listing.ids()).size;
      await add();
      // As on a file system whose clock has not moved on.
      await utimes(folder, moment, moment);
      now += 500;
      expect((await listing.ids()).size).toBe(before + 1);
    }
  });

  it('reads anew after a while even if the folder says that nothing changed', async () => {
    await add();
    const moment = new Date('2026-01-01T00:00:00Z');
    await utimes(folder, moment, moment);
    await settle();
    await add();
    await utimes(folder, moment, moment);
    // A file system without times; this also shows that the reading is spared.
    expect((await listing.ids()).size).toBe(1);
    now += 11 * 60_000;
    expect((await listing.ids()).size).toBe(2);
  });

  it('sees another folder in its place', async () => {
    await add();
    const moment = new Date('2026-01-01T00:00:00Z');
    await utimes(folder, moment, moment);
    await settle();
    await rename(folder, join(root, 'old'));
    const id = await add();
    await utimes(folder, moment, moment);
    expect(await listed()).toEqual([id]);
  });
});
