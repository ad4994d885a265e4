import { createHash, randomBytes, randomInt } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Files as a person's work leaves them: of any bytes, executable, linked, in folders with odd names. `round` keeps the names of one tree apart. */
export async function writeRandomFiles(tree: string, round: number): Promise<void> {
  const folder = path.join(tree, `round ${round}`, 'ünïcode – and spaces');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'bytes.bin'), randomBytes(randomInt(1, 20_000)));
  await writeFile(path.join(folder, 'empty'), '');
  await writeFile(path.join(folder, 'run.sh'), `#!/bin/sh\necho ${randomBytes(8).toString('hex')}\n`, {
    mode: 0o755,
  });
  await symlink('bytes.bin', path.join(folder, 'link'));
}

/** A digest of everything in a tree but git's own folder: names, kinds, modes, contents, link targets. */
export async function hashOf(tree: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = (await readdir(tree, { recursive: true })).sort();
  for (const name of entries) {
    if (name === '.git' || name.startsWith('.git/')) continue;
    const file = path.join(tree, name);
    const { mode } = await lstat(file);
    hash.update(`${name}\0${mode.toString(8)}\0`);
    const kind = mode & 0o170000;
    if (kind === 0o120000) hash.update(await readlink(file));
    if (kind === 0o100000) hash.update(await readFile(file));
  }
  return hash.digest('hex');
}
