import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { keyRingOf } from './key-file.js';

describe('the key file', () => {
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'berth-key-file-'));
    file = path.join(directory, 'encryption-keys');
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('is made once, kept only when asked, and read again as it was', async () => {
    const made = await keyRingOf(directory, randomBytes);
    expect(await readdir(directory)).toEqual([]);
    await made.keep();
    const read = await keyRingOf(directory, () => {
      throw new Error('A ring that is there needs no randomness.');
    });
    expect(read.keys).toEqual(made.keys);
    expect(made.keys).toEqual([
      { id: expect.stringMatching(/^local-[0-9a-f]{8}$/) as string, key: expect.any(Buffer) as Buffer },
    ]);
    expect(made.keys[0]?.key).toHaveLength(32);
    const before = await readFile(file, 'utf8');
    await read.keep();
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('can be read by its owner alone', async () => {
    await (await keyRingOf(directory, randomBytes)).keep();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is never written over: what it sealed would be lost', async () => {
    const [first, second] = [
      await keyRingOf(directory, randomBytes),
      await keyRingOf(directory, randomBytes),
    ];
    await first.keep();
    await expect(second.keep()).rejects.toThrow();
    expect((await keyRingOf(directory, randomBytes)).keys).toEqual(first.keys);
  });

  it('may hold older keys below the one that seals', async () => {
    const [newer, older] = [randomBytes(32), randomBytes(32)];
    await writeFile(file, `k2:${newer.toString('base64')}\n\nk1:${older.toString('base64')}\n`);
    expect((await keyRingOf(directory, randomBytes)).keys).toEqual([
      { id: 'k2', key: newer },
      { id: 'k1', key: older },
    ]);
  });

  it.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['no id', `:${randomBytes(32).toString('base64')}`],
    ['no colon', randomBytes(32).toString('base64')],
    ['a short key', `k1:${randomBytes(31).toString('base64')}`],
    ['a key cut off', `k1:${randomBytes(32).toString('base64').slice(0, 20)}`],
    ['one good and one bad key', `k1:${randomBytes(32).toString('base64')}\nk2:xyzzy`],
  ])('is refused, and left alone, when it holds %s', async (_, text) => {
    await writeFile(file, text);
    const error: unknown = await keyRingOf(directory, randomBytes).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'config-invalid', message: expect.stringContaining(file) as string });
    expect((error as Error).message).not.toContain('xyzzy');
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('that cannot be read is no reason to make another', async () => {
    await mkdir(file);
    await expect(keyRingOf(directory, randomBytes)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('cannot be read (EISDIR)') as string,
    });
  });
});
