import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import {
  agentPackages,
  detectPlatform,
  installDirectory,
  programInPrefix,
} from '../config/agent-programs.js';
import type { AgentName } from '../config/agent-programs.js';
import { BerthError } from '../kernel/index.js';
import type { Clock } from '../kernel/index.js';
import { QuietExit } from './failure.js';
import { versionOf } from './agent-version.js';

export interface InstallOptions {
  agent: AgentName;
  dataDir: string;
  /** Fetch again what is there already. */
  force: boolean;
  clock: Clock;
  /** Environment of npm; `PATH` in it finds npm. */
  environment: Record<string, string>;
  /** Told once, when something is going to be fetched. */
  starting: () => void;
  /** Told each step, as a line without its end. */
  progress: (line: string) => void;
  /** The npm to run; default `npm`, from `PATH`. */
  npm?: string;
}

export interface InstalledAgent {
  path: string;
  /** What the program says of itself. */
  version: string;
  /** False when it was there already. */
  fetched: boolean;
}

/** A folder of an install that was killed is 400 MB; after so long nobody is filling it any more. */
const abandonedAfterMilliseconds = 3_600_000;
const temporaryPrefix = '.installing-';

/**
 * Fetches the pinned version of an agent with npm into the data directory. The folder appears whole or not at all, so that a start at the same
 * time never sees half a program; the package's own scripts are not run.
 * @throws BerthError `agent-missing` when npm is missing, cannot reach its registry, or brought nothing that starts; the message says which.
 */
export async function installAgent(options: InstallOptions): Promise<InstalledAgent> {
  const { agent, dataDir, force } = options;
  const target = installDirectory(dataDir, agent);
  const there = force ? null : await working(target, agent, options);
  if (there !== null) return { ...there, fetched: false };
  options.starting();
  const parent = dirname(target);
  // The data directory also holds keys: whoever makes it makes it private.
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await removeAbandoned(parent, options.clock.now());
  const temporary = await mkdtemp(join(parent, `${temporaryPrefix}${basename(target)}-`));
  try {
    await runNpm(temporary, options);
    const { path, version } = await verify(temporary, options);
    const inside = relative(await realpath(temporary), path);
    await putInPlace(temporary, target);
    // Not looked for again: another install may be between its two renames at this moment, and then nothing is there.
    return { path: join(await realpath(parent), basename(target), inside), version, fetched: true };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function working(
  prefix: string,
  agent: AgentName,
  options: InstallOptions,
): Promise<{ path: string; version: string } | null> {
  const path = await programInPrefix(prefix, agent);
  const version = path === null ? null : await versionOf(path, options.environment.PATH ?? '');
  return path === null || version === null ? null : { path, version };
}

async function verify(prefix: string, options: InstallOptions): Promise<{ path: string; version: string }> {
  const found = await working(prefix, options.agent, options);
  if (found !== null) return found;
  const { os, arch, libc } = detectPlatform();
  const { package: name, version, variable } = agentPackages[options.agent];
  throw new BerthError(
    'agent-missing',
    `npm fetched ${name}@${version}, but there is no program in it that starts on ${os}-${arch}${libc === null ? '' : ` (${libc})`}. ` +
      `Install the agent in another way and set ${variable} to its path.`,
  );
}

async function putInPlace(temporary: string, target: string): Promise<void> {
  const old = `${temporary}-old`;
  // A running workspace keeps the program it has open; a new one finds the new folder.
  await rename(target, old).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  try {
    await rename(temporary, target).catch((error: unknown) => {
      // Another install won the race between the two renames; its folder is as good as ours.
      if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    });
  } finally {
    await rm(old, { recursive: true, force: true });
  }
}

async function removeAbandoned(parent: string, now: Date): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(temporaryPrefix)) continue;
    const path = join(parent, name);
    const changedAt = (await stat(path).catch(() => null))?.mtimeMs;
    if (changedAt !== undefined && now.getTime() - changedAt > abandonedAfterMilliseconds)
      await rm(path, { recursive: true, force: true });
  }
}

/** Runs npm to its end, showing what it fetches. Ctrl-C stops npm and then, through the thrown QuietExit, the command. */
async function runNpm(
  prefix: string,
  { agent, environment, progress, npm = 'npm' }: InstallOptions,
): Promise<void> {
  const spec = `${agentPackages[agent].package}@${agentPackages[agent].version}`;
  // --include=optional: the program is an optional package, which a user's npmrc may leave out. --no-engine-strict: the native program needs no Node.
  const flags =
    '--ignore-scripts --no-save --no-package-lock --no-audit --no-fund --include=optional --no-engine-strict --loglevel=http';
  const child = spawn(npm, ['install', ...flags.split(' '), '--prefix', prefix, spec], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (/^npm (http fetch|error code)/.test(line)) progress(`  ${line}`);
  });
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
    });
    if (signal !== null || code === 130) throw new QuietExit(signal === 'SIGTERM' ? 143 : 130);
    if (code !== 0)
      throw new BerthError('agent-missing', npmFailure(lines, spec, agentPackages[agent].variable));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new BerthError(
      'agent-missing',
      `npm was not found on PATH. Install npm (it comes with Node), or install the agent in another way and set ${agentPackages[agent].variable}.`,
      { cause: error },
    );
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

const offlineCodes =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|EIDLETIMEOUT)$/;

/** What to do about a failed `npm install`, from its `npm error code` line. */
export function npmFailure(lines: string[], spec: string, variable: string): string {
  const errors = lines
    .filter((line) => line.startsWith('npm error '))
    .map((line) => line.slice('npm error '.length));
  const code = errors.find((line) => line.startsWith('code '))?.slice('code '.length) ?? '';
  if (offlineCodes.test(code))
    return (
      `npm cannot reach its registry (${code}). Check the network, or npm's "registry" and "proxy" settings; on a machine without a network, ` +
      `copy the program there and set ${variable} to its path.`
    );
  if (['E404', 'ETARGET', 'ENOVERSIONS'].includes(code))
    return `npm's registry does not have ${spec} (${code}). Check npm's "registry" setting.`;
  if (code === 'ENOSPC')
    return 'The disk is full. Make room (an agent takes about 400 MB) and run the command again.';
  const why =
    errors.find((line) => !/^(code|errno|syscall|path) /.test(line)) ?? lines.at(-1) ?? 'it gave no reason';
  return `npm could not install ${spec}: ${why}. Run "npm install ${spec}" in an empty folder to see all it says.`;
}
