import { constants } from 'node:fs';
import { access, open, readFile, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { BerthError } from '../kernel/index.js';

/** The agents a program can be found for. The same words as `agentSchema` in contracts, which config may not import. */
export type AgentName = 'claude' | 'codex';

/** The npm packages of the agents, at the versions Berth was tried with. `berth agents install` fetches exactly these. */
export const agentPackages: Record<AgentName, { package: string; version: string; variable: string }> = {
  claude: { package: '@anthropic-ai/claude-code', version: '2.1.330', variable: 'CLAUDE_BIN' },
  codex: { package: '@openai/codex', version: '0.169.0', variable: 'CODEX_BIN' },
};

/** A machine as npm's platform packages tell them apart. `libc` is null outside Linux. */
export interface Platform {
  os: NodeJS.Platform;
  arch: string;
  libc: 'glibc' | 'musl' | null;
}

/** An agent's program on this machine. `path` is a real path (no links), of the native binary wherever there is one. */
export interface AgentProgram {
  path: string;
  source: 'configured' | 'installed' | 'path';
  version?: string;
}

export interface FindAgentProgramsOptions {
  /** Berth's data directory; `berth agents install` writes to `agents/` in it. */
  dataDir: string;
  /** `CLAUDE_BIN` and `CODEX_BIN`; an empty text counts as absent. */
  claudeBin?: string;
  codexBin?: string;
  /** The text of `PATH`. */
  path: string;
  /** Default: this machine. */
  platform?: Platform;
}

const codexTriples: Record<string, string> = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
};

let machine: Platform | undefined;

/** This machine. musl is told by a Node built without glibc, the way the `claude` package's own installer tells it. */
export function detectPlatform(): Platform {
  // Asked once: a diagnostic report looks at every open socket, which is slow in a busy server.
  machine ??= {
    os: process.platform,
    arch: process.arch,
    libc: process.platform === 'linux' ? libcOfNode() : null,
  };
  return machine;
}

function libcOfNode(): 'glibc' | 'musl' {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** The npm package that carries the native binary of an agent, and the binary's path in it; null where none is published. */
export function nativePackage(agent: AgentName, platform: Platform): { name: string; file: string } | null {
  const key = `${platform.os}-${platform.arch}`;
  const triple = codexTriples[key];
  if (triple === undefined) return null;
  if (agent === 'codex')
    return { name: `@openai/codex-${key}`, file: join('vendor', triple, 'bin', 'codex') };
  const suffix = platform.libc === 'musl' ? '-musl' : '';
  return { name: `@anthropic-ai/claude-code-${key}${suffix}`, file: 'claude' };
}

/** Where `berth agents install` puts the pinned version of an agent. */
export function installDirectory(dataDir: string, agent: AgentName): string {
  return join(resolve(dataDir), 'agents', agent, agentPackages[agent].version);
}

/** The native binary in a folder that `npm install --prefix` filled; null when the package or its platform part is not there. */
export async function programInPrefix(
  prefix: string,
  agent: AgentName,
  platform: Platform = detectPlatform(),
): Promise<string | null> {
  const root = await realPathOf(join(prefix, 'node_modules', agentPackages[agent].package));
  return root === null ? null : nativeOfPackage(agent, root, platform);
}

/**
 * Finds the programs of both agents: the configured one, else the one `berth agents install` fetched, else the first on `PATH`. Null when an
 * agent is nowhere.
 * @throws BerthError `config-invalid`, naming the variable, when a configured path cannot be started.
 */
export async function findAgentPrograms(
  options: FindAgentProgramsOptions,
): Promise<Record<AgentName, AgentProgram | null>> {
  const [claude, codex] = await Promise.all([
    findAgentProgram('claude', options, options.claudeBin),
    findAgentProgram('codex', options, options.codexBin),
  ]);
  return { claude, codex };
}

async function findAgentProgram(
  agent: AgentName,
  options: FindAgentProgramsOptions,
  configured: string | undefined,
): Promise<AgentProgram | null> {
  const platform = options.platform ?? detectPlatform();
  if (configured) return configuredProgram(agent, configured, platform);
  const installed = await programInPrefix(installDirectory(options.dataDir, agent), agent, platform);
  if (installed !== null)
    return { path: installed, source: 'installed', version: agentPackages[agent].version };
  // An empty or relative entry means the current folder, where a cloned repository could have put its own `claude`.
  for (const folder of options.path.split(delimiter).filter(isAbsolute)) {
    const found = await resolveProgram(agent, join(folder, agent), platform);
    if (found !== null) return { ...found, source: 'path' };
  }
  return null;
}

async function configuredProgram(agent: AgentName, value: string, platform: Platform): Promise<AgentProgram> {
  const { variable } = agentPackages[agent];
  const path = resolve(value);
  if ((await realPathOf(path)) === null)
    throw new BerthError(
      'config-invalid',
      `${variable} is ${value}, and there is no such file. ${howToMend(agent)}`,
    );
  const found = await resolveProgram(agent, path, platform);
  if (found === null)
    throw new BerthError(
      'config-invalid',
      `${variable} is ${value}, which cannot be started: it is not an executable file, or it is npm's launcher without its native program for ` +
        `${platform.os}-${platform.arch}. ${howToMend(agent)}`,
    );
  return { ...found, source: 'configured' };
}

function howToMend(agent: AgentName): string {
  return `Set ${agentPackages[agent].variable} to the program's full path, or unset it and run "berth agents install ${agent}".`;
}

/** Follows links, and npm's launcher to the native binary it would start. Null when nothing there can be started. */
async function resolveProgram(
  agent: AgentName,
  path: string,
  platform: Platform,
): Promise<{ path: string; version?: string } | null> {
  const real = await realPathOf(path);
  if (real === null) return null;
  const owner = await owningPackage(real, agentPackages[agent].package);
  if (owner === null) return (await isExecutable(real)) ? { path: real } : null;
  const native = await nativeOfPackage(agent, owner.root, platform);
  if (native !== null) return { path: native, version: owner.version };
  // Without its platform package the launcher can only fail, unless the package's postinstall put the binary itself in its place.
  return (await isNativeBinary(real)) && (await isExecutable(real))
    ? { path: real, version: owner.version }
    : null;
}

/** The nearest package of that name around a file. Codex's platform package bears the same name, with the platform behind its version. */
async function owningPackage(file: string, name: string): Promise<{ root: string; version?: string } | null> {
  for (const folder of ancestors(dirname(file))) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => null);
    if (text === null) continue;
    const manifest = parseManifest(text);
    if (manifest?.name !== name) continue;
    return { root: folder, version: manifest.version?.replace(/-(linux|darwin|win32)-.*$/, '') };
  }
  return null;
}

function parseManifest(text: string): { name?: string; version?: string } | null {
  try {
    return JSON.parse(text) as { name?: string; version?: string };
  } catch {
    return null;
  }
}

/** Looks where Node would look from inside the package (npm, hoisted or nested, and pnpm), and in the package's own `vendor`. */
async function nativeOfPackage(agent: AgentName, root: string, platform: Platform): Promise<string | null> {
  const native = nativePackage(agent, platform);
  if (native === null) return null;
  const candidates = ancestors(root).map((folder) => join(folder, 'node_modules', native.name, native.file));
  if (agent === 'codex') candidates.push(join(root, native.file));
  for (const candidate of candidates) {
    const real = await realPathOf(candidate);
    if (real !== null && (await isExecutable(real))) return real;
  }
  return null;
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

async function realPathOf(path: string): Promise<string | null> {
  return realpath(path).catch(() => null);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

const nativeMagic = new Set(['7f454c46', 'cffaedfe', 'cafebabe']); // ELF, Mach-O, Mach-O for several processors

async function isNativeBinary(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && nativeMagic.has(buffer.toString('hex'));
  } finally {
    await file.close();
  }
}
