import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Agent, agentNames } from '../../contracts/agents.js';
import { BerthError } from '../../kernel/index.js';

/** True when `file` is a file that the user who runs Berth may execute. */
export async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** The absolute path of a program on `path` (as in PATH), or null. Relative folders on it are passed over, as they depend on where one stands. */
export async function findProgram(name: string, path: string): Promise<string | null> {
  for (const folder of path.split(':')) {
    if (!isAbsolute(folder)) continue;
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return null;
}

const programNames: Record<Agent, string> = { claude: 'Claude Code', codex: agentNames.codex };
const variables: Record<Agent, string> = { claude: 'CLAUDE_BIN', codex: 'CODEX_BIN' };

/** Fails with `agent-missing` unless the agent's program is there. */
export async function requireAgent(agent: Agent, program: string | null): Promise<void> {
  if (program !== null && (await isProgram(program))) return;
  throw new BerthError(
    'agent-missing',
    `${programNames[agent]} is not installed. Run \`berth agents install ${agent}\`, or set ${variables[agent]}.`,
  );
}

/** The path of git, or `runtime-failed` naming the package. */
export async function requireGit(path: string): Promise<string> {
  const git = await findProgram('git', path);
  if (git !== null) return git;
  throw new BerthError(
    'runtime-failed',
    'Git is not installed. Install git (Debian/Ubuntu: apt-get install git), then try again.',
  );
}
