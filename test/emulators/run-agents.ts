import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Runs the real agents headless against an emulator, each in an own git folder with an own HOME. For tests. */

/** One JSON line of an agent's output. */
export type AgentLine = Record<string, unknown> & { type: string };

/** What a run came to. */
export interface AgentRun {
  exitCode: number | null;
  lines: AgentLine[];
  stderr: string;
}

/** A place to run an agent in. */
export interface AgentPlace {
  /** A git work tree, empty. */
  tree: string;
  home: string;
  remove(): Promise<void>;
}

const DEADLINE_MILLISECONDS = 50_000;

/** The program that a variable names. Throws when it is not set: a test without the real agent proves nothing. */
export function agentProgram(variable: 'CLAUDE_BIN' | 'CODEX_BIN'): string {
  const program = process.env[variable];
  if (!program)
    throw new Error(`Set ${variable} to the agent's program, or start the tests with "npm test".`);
  return program;
}

/** Makes a place. HOME lies in the checkout's `.berth`, since Codex complains about one below the system's temp folder. */
export async function makeAgentPlace(): Promise<AgentPlace> {
  const homes = join(process.cwd(), '.berth', 'test-homes');
  await mkdir(homes, { recursive: true });
  const home = await mkdtemp(join(homes, 'home-'));
  const tree = await mkdtemp(join(tmpdir(), 'berth-agent-tree-'));
  await promisify(execFile)('git', ['init', '--quiet', '--initial-branch=main', tree]);
  const remove = async (): Promise<void> => {
    for (const folder of [home, tree]) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { home, tree, remove };
}

/** Sends one message to Claude Code with an API key. `flags`: more of its command line. */
export function runClaude(
  place: AgentPlace,
  upstream: { url: string; env: Record<string, string> },
  text: string,
  flags: string[] = [],
): Promise<AgentRun> {
  const args = ['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'];
  const env = {
    IS_SANDBOX: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    ANTHROPIC_BASE_URL: upstream.url,
    ...upstream.env,
  };
  const message = { type: 'user', message: { role: 'user', content: [{ type: 'text', text }] } };
  return run(
    agentProgram('CLAUDE_BIN'),
    [
      ...args,
      '--include-partial-messages',
      '--dangerously-skip-permissions',
      '--model',
      'claude-sonnet-4-5',
      ...flags,
    ],
    place,
    env,
    `${JSON.stringify(message)}\n`,
  );
}

/** Sends one message to Codex with an API key. `resume`: the thread to go on with; `model`: not the default one. */
export function runCodex(
  place: AgentPlace,
  upstream: { url: string; key: string },
  text: string,
  { resume, model }: { resume?: string; model?: string } = {},
): Promise<AgentRun> {
  const provider = `{name="gw",base_url="${upstream.url}/v1",env_key="GW_TOKEN",wire_api="responses",request_max_retries=1,stream_max_retries=1}`;
  const settings = ['model_provider="gw"', `model_providers.gw=${provider}`, 'analytics.enabled=false'];
  const args = [
    'exec',
    ...(resume === undefined ? [] : ['resume', resume]),
    '--json',
    ...settings.flatMap((setting) => ['-c', setting]),
    '--disable',
    'plugins',
    '--dangerously-bypass-approvals-and-sandbox',
    ...(model === undefined ? [] : ['--model', model]),
    '-',
  ];
  return run(agentProgram('CODEX_BIN'), args, place, { GW_TOKEN: upstream.key }, text);
}

async function run(
  program: string,
  args: string[],
  place: AgentPlace,
  env: Record<string, string>,
  input: string,
): Promise<AgentRun> {
  // Nothing of this process's environment but PATH: a stray key would win over the one under test.
  const child = spawn(program, args, {
    cwd: place.tree,
    env: { PATH: process.env.PATH, HOME: place.home, ...env },
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  // npm's launcher of Codex leaves its child alive when it is killed alone.
  const late = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), DEADLINE_MILLISECONDS);
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { exitCode, lines: linesOf(stdout), stderr };
  } finally {
    clearTimeout(late);
  }
}

function linesOf(text: string): AgentLine[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => JSON.parse(line) as AgentLine);
}
