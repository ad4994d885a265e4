import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { until } from '../emulators/until.js';
import type { ProxyCommand, ProxyMessage } from '../../src/contracts/proxy.js';

export const MAIN = path.join(process.cwd(), 'src', 'proxy', 'main.ts');

/** A proxy process and what it said. */
export class ProxyChild {
  readonly messages: ProxyMessage[] = [];
  output = '';

  constructor(readonly process: ChildProcess) {
    process.on('message', (message) => this.messages.push(message as ProxyMessage));
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  static start(): ProxyChild {
    return new ProxyChild(fork(MAIN, { execArgv: ['--import', 'tsx'], silent: true, env: {} }));
  }

  async configure(internalUrl: string, upstreamUrl: string): Promise<void> {
    this.process.send({
      type: 'configure',
      internalUrl,
      anthropicUrl: upstreamUrl,
      openaiUrl: upstreamUrl,
      chatgptUrl: upstreamUrl,
      bedrockUrl: upstreamUrl,
      bedrockModels: {},
    });
    await until('ready', () => this.messages.some(({ type }) => type === 'ready'));
  }

  /** Sends a command and gives the answer to it. */
  async ask(
    command: Exclude<ProxyCommand, { type: 'configure' }> | Record<string, unknown>,
  ): Promise<ProxyMessage> {
    const requestId = randomUUID();
    this.process.send({ ...command, requestId });
    const mine = (message: ProxyMessage): boolean =>
      'requestId' in message && message.requestId === requestId;
    await until('an answer to the command', () => this.messages.some(mine));
    const [answer] = this.messages.filter(mine);
    if (!answer) throw new Error('unreachable');
    return answer;
  }

  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return { code: this.process.exitCode, signal: this.process.signalCode };
  }
}
