import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../test/emulators/openai.js';
import type { Agent } from '../contracts/agents.js';
import { compileRunner } from './support/compile.js';
import { Machine } from './support/machine.js';
import { git, makeRepository, temporaryFolder } from './support/repository.js';
import { until } from './support/until.js';
import { startWorkspaceProxy } from './support/workspace-proxy.js';

const KEY = { claude: 'sk-ant-api03-runner-test', codex: 'sk-runner-test' };
const REF = 'refs/pull/7/head';

const leave = (name: string) => `touch /workspace/ran-${name}`;
const hook = (name: string) => [{ hooks: [{ type: 'command', command: leave(name) }] }];
const server = (name: string) => ({ command: '/bin/sh', args: ['-c', leave(name)] });

/** What a repository can bring along to give an agent orders, or to have programs run beside it. */
const BROUGHT: Record<string, string> = {
  'README.md': '# Hello\n',
  'CLAUDE.md': 'order-of-claude-md',
  'AGENTS.md': 'order-of-agents-md',
  '.claude/settings.json': JSON.stringify({
    hooks: { SessionStart: hook('start'), UserPromptSubmit: hook('prompt'), Stop: hook('stop') },
    enableAllProjectMcpServers: true,
    env: { ORDER: 'order-of-settings' },
  }),
  '.claude/settings.local.json': JSON.stringify({ hooks: { SessionStart: hook('local') } }),
  '.claude/skills/deploy/SKILL.md': '---\nname: deploy\ndescription: order-of-skill\n---\nDeploy.',
  '.claude/agents/reviewer.md': '---\nname: reviewer\ndescription: order-of-agent\n---\nReview.',
  '.mcp.json': JSON.stringify({ mcpServers: { evil: server('mcp') } }),
  '.codex/config.toml': `developer_instructions = "order-of-codex-config"\n[mcp_servers.evil]\ncommand = "/bin/sh"\nargs = ["-c", "${leave('codex-mcp')}"]\n`,
  '.agents/skills/deploy/SKILL.md': '---\nname: deploy\ndescription: order-of-agents-skill\n---\nDeploy.',
};

function program(name: 'CLAUDE_BIN' | 'CODEX_BIN'): string {
  // eslint-disable-next-line no-restricted-properties -- a test takes the real agents from where they were installed
  const path = process.env[name];
  if (path === undefined) throw new Error(`${name} is not set: run \`npm test\`, which installs the agents.`);
  return path;
}

describe('what a repository tells agents', () => {
  let compiled: string;
  let folder: string;
  let repository: string;
  let anthropic: AnthropicEmulator;
  let openai: OpenaiEmulator;

  beforeAll(async () => {
    compiled = await compileRunner();
    anthropic = await startAnthropicEmulator();
    anthropic.accept(KEY.claude);
    openai = await startOpenaiEmulator();
    openai.accept(KEY.codex);
    folder = temporaryFolder();
    repository = makeRepository(join(folder, 'repository'), BROUGHT);
    git(repository, 'update-ref', REF, 'HEAD');
  });

  afterAll(async () => {
    await anthropic.close();
    await openai.close();
    for (const each of [compiled, folder]) rmSync(each, { recursive: true, force: true });
  });

  /** One turn; answers what the model was sent, and the names of what ran beside the agent. */
  async function turn(agent: Agent, readOnly: boolean): Promise<{ sent: string; ran: string[] }> {
    const machine = new Machine({
      ...{ compiled, agent, readOnly, ref: REF, instructions: 'order-of-the-default-branch' },
      repository: { type: 'file', url: `file://${repository}`, path: repository },
      agents: { claude: program('CLAUDE_BIN'), codex: program('CODEX_BIN') },
    });
    await machine.control.listen();
    const proxy = await startWorkspaceProxy({
      socketPath: machine.socketPath,
      placeholder: machine.placeholder,
      ...{ anthropicUrl: anthropic.url, anthropicKey: KEY.claude },
      ...{ openaiUrl: openai.url, openaiKey: KEY.codex },
    });
    try {
      machine.start();
      const { turnId } = machine.ask('create hello.txt with hello');
      const end = await until('turn.finished', () => machine.control.of('turn.finished')[0]);
      expect(end).toMatchObject({ turnId, outcome: { result: 'completed' } });
      const pushed = machine.control.of('git.pushed');
      expect(pushed).toHaveLength(readOnly ? 0 : 1);
      const names = readdirSync(machine.directories.tree);
      expect(names).toContain('hello.txt');
      return { sent: proxy.sent(), ran: names.filter((name) => name.startsWith('ran-')) };
    } finally {
      await machine.close();
      await proxy.close();
    }
  }

  it.each<[Agent, string[]]>([
    ['claude', ['order-of-claude-md', 'order-of-skill', 'order-of-the-default-branch']],
    ['codex', ['order-of-agents-md', 'order-of-the-default-branch']],
  ])(
    'counts for %s where it is of people who may write to it, and for nothing where it is not',
    async (agent, orders) => {
      const own = await turn(agent, false);
      for (const order of orders) expect(own.sent).toContain(order);
      if (agent === 'claude') expect(own.ran).toContain('ran-start');

      const strangers = await turn(agent, true);
      expect(strangers.sent.match(/order-of-[a-z-]+/g)).toBeNull();
      expect(strangers.ran).toEqual([]);
      expect(strangers.sent).toContain('a pull request from a fork');
    },
  );
});
