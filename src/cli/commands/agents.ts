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
import { withExamples } from '../help.js';
import { jsonText, table } from '../render.js';

/** `berth agents` */
export function agentsCommand(context: CliContext): Command {
  const install = new Command('install')
    .description('fetch the pinned agents with npm into the data directory (BERTH_DATA_DIR)')
    .addArgument(new Argument('[agents...]', 'which ones (default: all)').choices(agentSchema.options))
    .option('--force', 'fetch again, and also where CLAUDE_BIN or CODEX_BIN is set')
    .option('--json', 'print one line of JSON for each agent')
    .action(async (agents: AgentName[], options: { force?: true; json?: true }) => {
      const wanted = agents.length === 0 ? agentSchema.options : [...new Set(agents)];
      for (const agent of wanted) await installOne(context, agent, options);
    });
  withExamples(install, 'berth agents install', 'berth agents install claude --force');
  const list = new Command('list')
    .description('show which programs Berth starts')
    .option('--json', 'print them as a JSON array')
    .action((options: { json?: true }) => listAgents(context, options.json ?? false));
  withExamples(list, 'berth agents list');
  return new Command('agents')
    .description("the agents' programs on this machine")
    .addCommand(install)
    .addCommand(list);
}

async function installOne(
  context: CliContext,
  agent: AgentName,
  { force = false, json }: { force?: boolean; json?: true },
): Promise<void> {
  const { local, progress } = context;
  const say = (fields: object, text: string): void =>
    context.out(json ? `${jsonText({ agent, ...fields })}\n` : `${text}\n`);
  const name = agentNames[agent];
  const { variable, version } = agentPackages[agent];
  const configured = configuredPath(local, agent);
  if (configured !== undefined && !force) {
    say(
      { path: configured, fetched: false },
      `${name}: ${variable} is set to ${configured}, which is used. Nothing installed; --force installs all the same.`,
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
    progress: (line) => progress.note(line),
    starting: () => progress.wait(`Fetching ${name} ${version} (up to 170 MB to download, 400 MB on disk) …`),
  });
  const seconds = Math.round((context.clock.now().getTime() - startedAt) / 1000);
  const how = installed.fetched ? `installed in ${seconds} s` : 'is installed already';
  say(installed, `${name} ${installed.version} ${how}: ${installed.path}`);
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
