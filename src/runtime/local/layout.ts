import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BerthError, isId } from '../../kernel/index.js';

/** The files of one workspace. All paths are absolute. */
export interface WorkspaceFiles {
  workspaceId: string;
  /** `<data>/workspaces/<id>`, 0700; holds everything below. */
  root: string;
  /** The repository's work tree, writable in the sandbox. */
  tree: string;
  /** HOME of agent and git, writable in the sandbox. */
  home: string;
  /** The runner's own files. */
  scratch: string;
  /** `runnerFileSchema`, 0600: it holds the runner's token. Its path is the runner's only argument. */
  runnerFile: string;
  /** Which process the runner is: pid and the kernel's start time. */
  pidFile: string;
  logFile: string;
}

/** The folder of all workspaces below the data directory. */
export function workspacesFolder(dataDirectory: string): string {
  return join(resolve(dataDirectory), 'workspaces');
}

/** The places of one workspace. Fails with `not-found` for what is not an id, so that no text from outside ever becomes a path. */
export function workspaceFiles(dataDirectory: string, workspaceId: string): WorkspaceFiles {
  if (!isId(workspaceId)) throw new BerthError('not-found', 'There is no such workspace.');
  const root = join(workspacesFolder(dataDirectory), workspaceId);
  return {
    workspaceId,
    root,
    tree: join(root, 'tree'),
    home: join(root, 'home'),
    scratch: join(root, 'scratch'),
    runnerFile: join(root, 'runner.json'),
    pidFile: join(root, 'runner.pid'),
    logFile: join(root, 'runner.log'),
  };
}

/** Makes the workspace's folders, closed to other users of the machine. */
export async function makeFolders(files: WorkspaceFiles): Promise<void> {
  await mkdir(files.root, { recursive: true, mode: 0o700 });
  // `recursive` leaves the mode of a folder that is already there, and an umask can only have taken rights away.
  await chmod(files.root, 0o700);
  for (const folder of [files.tree, files.home, files.scratch]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}
