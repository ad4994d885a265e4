import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../emulators/anthropic.js';
import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../../emulators/bedrock.js';
import { startGitEmulator, type GitEmulator } from '../../emulators/git.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../emulators/openai.js';
import { agentProgram } from '../../emulators/run-agents.js';
import { Api } from '../../support/api.js';
import { BerthProcess } from '../../support/berth.js';
import { endProcesses, processesNaming } from './processes.js';
import { makeRepository, type Repository } from './repository.js';

/** Made-up credentials in the shapes of the real ones. Known to the emulators, and to nobody else. */
export const credentials = {
  anthropicApiKey: 'sk-ant-api03-endToEndKeyOfAda-0123456789',
  claudeSetupToken: 'sk-ant-oat01-endToEndTokenOfAda-0123456789',
  openaiApiKey: 'sk-endToEndKeyOfAda-0123456789',
} as const;

/** The same of AWS, where no single text is the credential. */
export const awsKey = {
  accessKeyId: 'ASIAENDTOENDOFADA001',
  secretAccessKey: 'endToEndSecretOfAda/0123456789/0123456789',
  sessionToken: 'endToEndSessionOfAda/0123456789==',
} as const satisfies AwsKey;

export interface SystemOptions {
  /** More of Berth's environment; wins over what the system itself sets. An empty text counts as absent. */
  environment?: Record<string, string>;
}

/** A whole installation for one test file: the built Berth, set up, beside the emulated upstreams, and real agents. */
export class TestSystem {
  private constructor(
    /** Everything of this system that is not Berth's own: repositories, and what a test puts there. */
    readonly folder: string,
    readonly anthropic: AnthropicEmulator,
    readonly openai: OpenaiEmulator,
    readonly bedrock: BedrockEmulator,
    readonly git: GitEmulator,
    readonly berth: BerthProcess,
    /** Ada, the owner of the organization. Where she calls changes when Berth starts again on another port: see `restart`. */
    public api: Api,
  ) {}

  /** Starts everything, sets Berth up, and stores Ada's two API keys. Throws what Berth printed when it does not start. */
  static async start({ environment = {} }: SystemOptions = {}): Promise<TestSystem> {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-e2e-upstream-'));
    // Compressed as the real APIs answer, so that what works here does not work by accident.
    const anthropic = await startAnthropicEmulator({ compress: true });
    const openai = await startOpenaiEmulator({ compress: true });
    const bedrock = await startBedrockEmulator();
    const git = await startGitEmulator({ root: folder });
    const berth = await BerthProcess.start({
      BERTH_ANTHROPIC_API_URL: anthropic.url,
      BERTH_CLAUDE_TOKEN_URL: `${anthropic.url}/v1/oauth/token`,
      BERTH_ANTHROPIC_TOKEN_URL: `${anthropic.url}/v1/oauth/token`,
      BERTH_OPENAI_API_URL: openai.url,
      BERTH_CHATGPT_API_URL: `${openai.url}/backend-api`,
      BERTH_OPENAI_AUTH_URL: openai.url,
      BERTH_BEDROCK_URL: bedrock.url,
      BERTH_GITHUB_URL: git.url,
      CLAUDE_BIN: agentProgram('CLAUDE_BIN'),
      CODEX_BIN: agentProgram('CODEX_BIN'),
      ...environment,
    });
    const nobody = new Api(berth.url, null, 'acme');
    const system = new TestSystem(folder, anthropic, openai, bedrock, git, berth, nobody);
    try {
      await system.setUp();
      return system;
    } catch (error) {
      await system.close();
      throw error;
    }
  }

  private async setUp(): Promise<void> {
    this.api = await this.berth.setUp();
    this.anthropic.accept(credentials.anthropicApiKey);
    this.anthropic.accept(credentials.claudeSetupToken);
    this.openai.accept(credentials.openaiApiKey);
    this.bedrock.keys.accept(awsKey);
    await this.api.setCredential('user', 'anthropic_api_key', { apiKey: credentials.anthropicApiKey });
    await this.api.setCredential('user', 'openai_api_key', { apiKey: credentials.openaiApiKey });
  }

  /** Where the files of a workspace are. */
  filesOf(workspaceId: string): string {
    return path.join(this.berth.dataDirectory, 'workspaces', workspaceId);
  }

  /** The folder that the agent works in. */
  treeOf(workspaceId: string): string {
    return path.join(this.filesOf(workspaceId), 'tree');
  }

  /** A fresh repository with one commit on `main`. */
  repository(name: string): Promise<Repository> {
    return makeRepository(path.join(this.folder, name));
  }

  /** Makes a workspace on a fresh repository and waits until it runs. */
  async runningWorkspace(
    agent: 'claude' | 'codex',
    name: string,
  ): Promise<{ id: string; branch: string; repository: Repository }> {
    const repository = await this.repository(name);
    const { id, branch } = await this.api.createWorkspace({ repository: repository.url, agent, name });
    await this.api.untilState(id, 'running');
    return { id, branch, repository };
  }

  /** Starts Berth again after it was stopped or killed; the same caller goes on, wherever Berth listens now. */
  async restart(extra: Record<string, string> = {}): Promise<void> {
    await this.berth.start(extra);
    this.api = this.api.at(this.berth.url);
  }

  /** Another member of the organization, without a credential of their own. */
  async newMember(name: string): Promise<Api> {
    const invited = { email: `${name.toLowerCase()}@example.com`, role: 'member' };
    const { body } = await this.api.post<{ url: string }>(this.api.path('/invitations'), invited, 201);
    const accepted = {
      token: new URL(body.url).searchParams.get('token'),
      name,
      password: 'correct horse battery',
    };
    const joined = await this.api
      .as(null)
      .post<{ apiKey: string }>('/api/v1/invitations/accept', accepted, 201);
    return this.api.as(joined.body.apiKey);
  }

  /** Puts a workspace to sleep and waits until it is. */
  async hibernate(id: string): Promise<void> {
    await this.api.post(this.api.path(`/workspaces/${id}/hibernate`), {}, 202);
    await this.api.untilState(id, 'hibernated');
  }

  /** Deletes a workspace and waits until it is gone. */
  async deleteWorkspace(id: string): Promise<void> {
    await this.api.call('DELETE', this.api.path(`/workspaces/${id}`), undefined, 202);
    await this.api.poll(`workspace ${id} gone`, async () => {
      const { status } = await this.api.call('GET', this.api.path(`/workspaces/${id}`));
      return status === 404 ? true : null;
    });
  }

  /** Stops everything and removes every file. What a failed test left running is ended too: all of it names the data directory. */
  async close(): Promise<void> {
    try {
      await this.berth.stop();
      await endProcesses(() => processesNaming(this.berth.dataDirectory));
      await this.berth.remove();
    } finally {
      await Promise.all(
        [this.anthropic, this.openai, this.bedrock, this.git].map((emulator) => emulator.close()),
      );
      await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}
