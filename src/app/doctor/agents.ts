import { agentPackages, findAgentPrograms, type AgentName, type Config } from '../../config/index.js';
import { versionOf } from '../../cli/agent-version.js';
import { ok, fail, warn, type Finding } from './report.js';

/** One agent is there and starts. Without it the other one works all the same. */
export async function agent(
  name: AgentName,
  { runtime, dataDirectory }: Pick<Config, 'runtime' | 'dataDirectory'>,
): Promise<Finding> {
  const { version: tried, variable } = agentPackages[name];
  const install = `Run "berth agents install ${name}", or set ${variable} to the program.`;
  // Only this agent's variable: a wrong one of the other is that one's finding.
  const configured = name === 'claude' ? { claudeBin: runtime.claudeBin } : { codexBin: runtime.codexBin };
  const found = await findAgentPrograms({ dataDir: dataDirectory, path: runtime.path, ...configured });
  const program = found[name];
  if (program === null) return warn(`There is no ${name} on this machine.`, install);
  const version = await versionOf(program.path, runtime.path);
  if (version === null) return fail(`${program.path} does not start.`, install);
  const described = `${version} (${program.source}: ${program.path})`;
  const expected = program.source === 'installed' ? version : tried;
  return version.split('.')[0] === expected.split('.')[0]
    ? ok(described)
    : warn(`${described}: Berth was tried with ${tried}.`, install);
}
