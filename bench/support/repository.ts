import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeRepository, type Repository } from '../../test/e2e/support/repository.js';

const COMMITS = 20;
const FILES_PER_COMMIT = 10;
const LINES_PER_FILE = 40;

/** A repository on this machine. */
export interface WorkRepository extends Repository {
  folder: string;
}

/** A small but not empty repository: 200 files in 20 commits. */
export async function makeWorkRepository(folder: string): Promise<WorkRepository> {
  const repository = await makeRepository(folder);
  const person = ['-c', 'user.name=Grace Hopper', '-c', 'user.email=grace@example.com'];
  for (let commit = 0; commit < COMMITS; commit++) {
    const module = path.join(folder, `module-${commit}`);
    await mkdir(module);
    for (let file = 0; file < FILES_PER_COMMIT; file++) {
      await writeFile(path.join(module, `file-${file}.txt`), textOf(commit, file));
    }
    await repository.git('add', '--all');
    await repository.git(...person, 'commit', '--quiet', '-m', `Add module ${commit}`);
  }
  return { ...repository, folder };
}

function textOf(commit: number, file: number): string {
  const lines = Array.from(
    { length: LINES_PER_FILE },
    (_, line) => `line ${line} of file ${file} in module ${commit}`,
  );
  return `${lines.join('\n')}\n`;
}
