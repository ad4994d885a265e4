import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { BerthError } from '../../kernel/errors.js';
import type { Bind } from './sandbox.js';

/** Folder inside the sandbox under which the agents' packages appear. */
const PROGRAMS = '/opt/berth/programs';
const SHEBANG_BYTES = 128;

/** A program of the host, ready to run inside a sandbox. */
export interface Program {
  command: string;
  args: string[];
  binds: Bind[];
}

interface Manifest {
  name?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function readManifest(folder: string): Manifest | null {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return null;
  }
}

/**
 * The npm package a file belongs to, or null. Only a folder directly below a `node_modules` counts: any other `package.json`
 * may stand in somebody's HOME, and binding that would show all of it.
 */
function packageFolder(file: string): string | null {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const parent = dirname(folder);
    const scoped = basename(parent).startsWith('@') && basename(dirname(parent)) === 'node_modules';
    if (basename(parent) === 'node_modules' || scoped)
      return basename(folder).startsWith('@') ? null : folder;
  }
  return null;
}

/** True for a script that wants Node: npm's launchers are such files. */
function isNodeScript(file: string): boolean {
  if (/\.[cm]?js$/.test(file)) return true;
  const head = Buffer.alloc(SHEBANG_BYTES);
  const handle = openSync(file, 'r');
  try {
    const length = readSync(handle, head, 0, SHEBANG_BYTES, 0);
    return /^#!.*\bnode\b/.test(head.toString('latin1', 0, length));
  } finally {
    closeSync(handle);
  }
}

/** Packages that the launcher of `folder` loads its native program from, as they are installed. */
function installedDependencies(folder: string, manifest: Manifest): { name: string; folder: string }[] {
  const require = createRequire(join(folder, 'package.json'));
  const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  return names.flatMap((name) => {
    const found = (require.resolve.paths(name) ?? [])
      .map((path) => join(path, name))
      .find((path) => existsSync(path));
    return found === undefined ? [] : [{ name, folder: realpathSync(found) }];
  });
}

/** Follows links to the real file. Throws BerthError `agent-missing` when it is not there. */
export function realProgram(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new BerthError(
      'agent-missing',
      `The program ${basename(path)} is not installed where Berth looks for it. Run \`berth agents install\`, or set its path.`,
      { cause: error },
    );
  }
}

/**
 * How a program of the host starts inside: a native program or npm's launcher script, possibly behind links. Its npm package (and for a
 * launcher the packages it loads) is bound read-only below one `node_modules`, so that it finds its parts wherever it was installed.
 * `node` is the Node binary as seen inside.
 */
export function resolveProgram(path: string, node: string): Program {
  const file = realProgram(path);
  const folder = packageFolder(file);
  if (folder === null) {
    const target = file.startsWith('/usr/') ? file : join(PROGRAMS, 'bin', basename(file));
    const binds = target === file ? [] : [{ source: file, target, writable: false }];
    return isNodeScript(file)
      ? { command: node, args: [target], binds }
      : { command: target, args: [], binds };
  }
  const manifest = readManifest(folder) ?? {};
  const modules = join(PROGRAMS, 'node_modules');
  const root = join(modules, manifest.name ?? basename(folder));
  const binds: Bind[] = [{ source: folder, target: root, writable: false }];
  const inside = join(root, file.slice(folder.length));
  if (!isNodeScript(file)) return { command: inside, args: [], binds };
  for (const dependency of installedDependencies(folder, manifest)) {
    binds.push({ source: dependency.folder, target: join(modules, dependency.name), writable: false });
  }
  return { command: node, args: [inside], binds };
}
