import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { TOKEN_PATH } from '../../test/emulators/claude-logins.js';
import { endProcesses, processesNaming } from '../../test/e2e/support/processes.js';
import type { Api } from '../../test/support/api.js';
import { BerthProcess } from '../../test/support/berth.js';
import type { BenchContext } from '../bench.js';
import { found } from './deadline.js';
import { EventStream } from './event-stream.js';
import { makeWorkRepository, type WorkRepository } from './repository.js';

/** A made-up key in the shape of a real one; the emulator alone knows it. */
export const API_KEY = 'sk-ant-api03-benchKeyOfAda-0123456789';

const STAND_IN = new URL('stand-in-agent.sh', import.meta.url);

/** A workspace that runs, with a reader on its events. */
export interface RunningWorkspace {
  id: string;
  stream: EventStream;
  /** The number of its newest event. */
  lastSeq: number;
}

/** The built Berth as a process of its own, set up, with the stand-in agent, beside an emulated Anthropic in this process. */
export class BenchSystem {
  private constructor(
    readonly folder: string,
    readonly anthropic: AnthropicEmulator,
    readonly berth: BerthProcess,
    readonly api: Api,
    /** The agent's program on the host. */
    readonly agent: string,
    readonly repository: WorkRepository,
  ) {}

  /** Starts everything; it is taken away when the bench ends. */
  static async start(context: BenchContext): Promise<BenchSystem> {
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-bench-'));
    context.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const agent = path.join(folder, 'stand-in-agent');
    await copyFile(STAND_IN, agent);
    await chmod(agent, 0o755);
    const anthropic = await startAnthropicEmulator();
    context.defer(() => anthropic.close());
    anthropic.accept(API_KEY);
    const berth = await startBerth(context, {
      BERTH_ANTHROPIC_API_URL: anthropic.url,
      BERTH_CLAUDE_TOKEN_URL: anthropic.url + TOKEN_PATH,
      CLAUDE_BIN: agent,
    });
    const api = await berth.setUp();
    await api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const repository = await makeWorkRepository(path.join(folder, 'repository'));
    return new BenchSystem(folder, anthropic, berth, api, agent, repository);
  }

  /** The same system, when Berth was started again and listens elsewhere. */
  at(url: string): BenchSystem {
    const { folder, anthropic, berth, api, agent, repository } = this;
    return new BenchSystem(folder, anthropic, berth, api.at(url), agent, repository);
  }

  /** Where the files of a workspace are. */
  filesOf(workspaceId: string): string {
    return path.join(this.berth.dataDirectory, 'workspaces', workspaceId);
  }

  /** Makes a workspace, and waits until its runner is ready. */
  async runningWorkspace(context: BenchContext): Promise<RunningWorkspace> {
    const { id } = await this.api.createWorkspace({ repository: this.repository.url });
    const stream = await EventStream.open(this.api, id);
    context.defer(() => stream.close());
    const { event } = await stream.next('the workspace runs', isState('running'));
    return { id, stream, lastSeq: event.seq };
  }

  /** Deletes a workspace, and waits until nothing of it is left. */
  async deleteWorkspace(id: string): Promise<void> {
    const place = this.api.path(`/workspaces/${id}`);
    await this.api.call('DELETE', place, undefined, 202);
    await found('the workspace is gone', async () => {
      const { status } = await this.api.call('GET', place);
      return status === 404 ? true : null;
    });
  }

  /** Waits until a person's message has been answered. Throws when its turn did not end well: then nothing of it is worth measuring. */
  async untilCompleted({ stream }: RunningWorkspace, messageId: string): Promise<void> {
    const { event } = await stream.next(
      'the turn ends',
      ({ type, data }) =>
        type === 'message.state' &&
        data.messageId === messageId &&
        ['completed', 'failed', 'canceled'].includes(String(data.state)),
    );
    if (event.data.state !== 'completed') throw new Error(`A turn ended ${JSON.stringify(event.data)}`);
  }
}

/** Starts the built Berth; when the bench ends it is stopped, and whatever it left is ended. */
export async function startBerth(
  context: BenchContext,
  environment: Record<string, string> = {},
): Promise<BerthProcess> {
  const berth = await BerthProcess.start({ LOG_LEVEL: 'warn', ...environment });
  context.defer(() => berth.remove());
  context.defer(async () => {
    await berth.stop();
    await endProcesses(() => processesNaming(berth.dataDirectory));
  });
  return berth;
}

/** Fits the event that tells of a workspace's state; throws when it tells that the workspace failed. */
export function isState(state: string): (event: { type: string; data: Record<string, unknown> }) => boolean {
  return ({ type, data }) => {
    if (type !== 'workspace.state') return false;
    if (data.state === 'failed') throw new Error(`The workspace failed: ${String(data.reason)}`);
    return data.state === state;
  };
}
