import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type http from 'node:http';
import type { PrivateHost } from '../../contracts/proxy.js';
import { systemClock, type Clock, type Log } from '../../kernel/index.js';
import { systemNetwork, type Network } from '../egress/network.js';
import { FakeControlPlane } from './fake-control-plane.js';
import { serve, type TestServer } from './http.js';
import type { Limits } from '../limits.js';
import type { OpenCommand } from '../workspace.js';
import { Workspaces } from '../workspaces.js';

export const PLACEHOLDER = 'berth-placeholder-of-this-workspace';
export const PROXY_TOKEN = 'berth-proxy-token-of-this-workspace';
export const WORKSPACE_ID = '0198c0de-1111-7000-8000-000000000002';

/** Everything that was logged, as text to search. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  debug = (fields: object, message: string): void => this.#add('debug', fields, message);
  info = (fields: object, message: string): void => this.#add('info', fields, message);
  warn = (fields: object, message: string): void => this.#add('warn', fields, message);
  error = (fields: object, message: string): void => this.#add('error', fields, message);

  #add(level: string, fields: object, message: string): void {
    this.lines.push(JSON.stringify({ level, message, ...fields }));
  }
}

export interface ProxyUnderTest {
  controlPlane: FakeControlPlane;
  workspaces: Workspaces;
  log: RecordingLog;
  socket: string;
  directory: string;
  upstream: TestServer;
  /** The command that opened the workspace; send it again with changes to replace it. */
  command: OpenCommand;
  close(): Promise<void>;
}

export interface TestOptions {
  limits?: Partial<Limits>;
  git?: OpenCommand['git'];
  /** Another model server than the handler's own. */
  upstreamUrl?: string;
  bedrockUrl?: string;
  /** The open internet of the test. */
  network?: Network;
  privateHosts?: PrivateHost[];
  clock?: Clock;
}

/** One open workspace between a fake control plane and the test's own model server. */
export async function startProxy(
  handler: http.RequestListener,
  options: TestOptions = {},
): Promise<ProxyUnderTest> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-proxy-'));
  const controlPlane = await FakeControlPlane.start();
  const upstream = await serve(handler);
  const upstreamUrl = options.upstreamUrl ?? upstream.url;
  const log = new RecordingLog();
  const workspaces = new Workspaces({
    internalUrl: controlPlane.url,
    anthropicUrl: upstreamUrl,
    openaiUrl: upstreamUrl,
    chatgptUrl: `${upstreamUrl}/backend-api`,
    bedrockUrl: options.bedrockUrl ?? `${upstreamUrl}/bedrock-{region}`,
    bedrockModels: {},
    network: options.network ?? systemNetwork,
    privateHosts: options.privateHosts ?? [],
    clock: options.clock ?? systemClock,
    log,
    limits: { firstRetrySeconds: 0.01, maxRetrySeconds: 0.05, ...options.limits },
  });
  const socket = path.join(directory, 's');
  const command: OpenCommand = {
    type: 'open',
    requestId: '1',
    workspaceId: WORKSPACE_ID,
    socketPath: socket,
    placeholder: PLACEHOLDER,
    proxyToken: PROXY_TOKEN,
    git: options.git ?? null,
  };
  if (options.git) controlPlane.lendNothingToGit();
  await workspaces.open(command);
  const close = async (): Promise<void> => {
    await workspaces.closeAll();
    await Promise.all([controlPlane.close(), upstream.close()]);
    await rm(directory, { recursive: true, force: true });
  };
  return { controlPlane, workspaces, log, socket, directory, upstream, command, close };
}
