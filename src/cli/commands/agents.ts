import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { agentPackages, findAgentPrograms, installDirectory } from '../../config/agent-programs.js';
import type { AgentName, AgentProgram } from '../../config/agent-programs.js';
import type { LocalConfig } from '../../config/cli-config.js';
import { agentNames, agentSchema } from '../../contracts/agents.js';
import { installAgent } from '../agent-install.js';
import { versionOf } from '../agent-version.js';
import type { CliContext } from '../context.js';
import { jsonText, table } from '../render.js';

/** `berth agents` */
export function agentsCommand(context: CliContext): Command {
  const install = new Command('install')
    .description('fetch the pinned agents with npm into the data directory (BERTH_DATA_DIR)')
    .addArgument(new Argument('[agents...]', 'which ones (default: all)').choices(agentSchema.options))
    .option('--force', 'fetch again, and also where CLAUDE_BIN or CODEX_BIN is set')
    .action(async (agents: AgentName[], options: { force?: true }) => {
      const wanted = agents.length === 0 ? agentSchema.options : [...new Set(agents)];
      for (const agent of wanted) await installOne(context, agent, options.force ?? false);
    });
  const list = new Command('list')
    .description('show which programs Berth starts')
    .option('--json', 'print them as a JSON array')
    .action((options: { json?: true }) => listAgents(context, options.json ?? false));
  return new Command('agents')
    .description("the agents' programs on this machine")
    .addCommand(install)
    .addCommand(list);
}

async function installOne(context: CliContext, agent: AgentName, force: boolean): Promise<void> {
  const { local } = context;
  const name = agentNames[agent];
  const { variable, version } = agentPackages[agent];
  const configured = configuredPath(local, agent);
  if (configured !== undefined && !force) {
    context.out(
      `${name}: ${variable} is set to ${configured}, which is used. Nothing installed; --force installs all the same.\n`,
    );
    return;
  }
  const startedAt = context.clock.now().getTime();
  const installed = await installAgent({
    agent,
    dataDir: local.dataDir,
    force,
    clock: context.clock,
    environment: local.npmEnvironment,
    progress: (line) => context.err(`${line}\n`),
    starting: () => context.err(`Fetching ${name} ${version} (up to 170 MB to download, 400 MB on disk) …\n`),
  });
  const seconds = Math.round((context.clock.now().getTime() - startedAt) / 1000);
  const how = installed.fetched ? `installed in ${seconds} s` : 'is installed already';
  context.out(`${name} ${installed.version} ${how}: ${installed.path}\n`);
}

async function listAgents(context: CliContext, json: boolean): Promise<void> {
  const { local } = context;
  const programs = await findAgentPrograms(local);
  const rows = await Promise.all(
    agentSchema.options.map(async (agent) => {
      const program = programs[agent];
      if (program === null) return { agent, version: null, source: null, path: null, sizeBytes: null };
      const version = program.version ?? (await versionOf(program.path, local.path));
      return {
        agent,
        version,
        source: program.source,
        path: program.path,
        sizeBytes: await sizeOf(program, agent, local),
      };
    }),
  );
  if (json) {
    context.out(`${jsonText(rows, 2)}\n`);
    return;
  }
  const cells = rows.map((row) => [
    row.agent,
    row.version ?? '-',
    row.source ?? 'missing',
    row.path ?? `run "berth agents install ${row.agent}"`,
    row.sizeBytes === null ? '-' : `${Math.round(row.sizeBytes / 1e6)} MB`,
  ]);
  context.out(table(['AGENT', 'VERSION', 'SOURCE', 'PATH', 'SIZE'], cells));
}

function configuredPath(local: LocalConfig, agent: AgentName): string | undefined {
  return { claude: local.claudeBin, codex: local.codexBin }[agent];
}

/** Bytes on disk: the whole folder of an installed agent, otherwise the program's file. */
async function sizeOf(program: AgentProgram, agent: AgentName, local: LocalConfig): Promise<number> {
  return program.source === 'installed'
    ? folderSize(installDirectory(local.dataDir, agent))
    : (await stat(program.path)).size;
}

async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
