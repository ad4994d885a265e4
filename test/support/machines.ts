import { randomUUID } from 'node:crypto';
import type {
  ClaimedTurn,
  CommandsAnswer,
  Lease,
  LentFor,
  ProxyReportItem,
  ReportAnswer,
  RunnerAssignment,
  RunnerItem,
  TurnOutcome,
} from '../../src/contracts/index.js';
import { proxyPaths, runnerPaths } from '../../src/contracts/index.js';
import { Api, type Answered } from './api.js';
import type { GitRoute } from '../../src/runtime/index.js';
import type { TestApp } from './app.js';
import { eventually } from './eventually.js';

/** An item before it has its number. */
export type Fact = RunnerItem extends infer Item
  ? Item extends RunnerItem
    ? Omit<Item, 'n'>
    : never
  : never;

/** A runner as the control plane sees one: calls its routes over HTTP with the token that the runtime was given. */
export class TestRunner {
  readonly runnerId = randomUUID();
  /** The number of its last item. */
  n = 0;
  private readonly calls: Api;

  constructor(
    app: Pick<TestApp, 'url'>,
    readonly token: string,
  ) {
    this.calls = new Api(app.url, token, '');
  }

  /** Any machine route, with this runner's token. */
  call<T>(path: string, body: object): Promise<Answered<T>> {
    return this.calls.call<T>('POST', path, body);
  }

  hello(): Promise<Answered<RunnerAssignment>> {
    return this.call(runnerPaths.hello, { runnerId: this.runnerId, pid: process.pid });
  }

  tryClaim(waitSeconds = 0): Promise<Answered<ClaimedTurn>> {
    return this.call(runnerPaths.claim, { runnerId: this.runnerId, waitSeconds });
  }

  /** Claims, and expects a turn. */
  async claim(waitSeconds = 0): Promise<ClaimedTurn> {
    const { status, body } = await this.tryClaim(waitSeconds);
    if (status !== 200) throw new Error(`claim answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  commands(waitSeconds = 0, canceling: string[] = []): Promise<Answered<CommandsAnswer>> {
    return this.call(runnerPaths.commands, { runnerId: this.runnerId, waitSeconds, canceling });
  }

  /** Items as they are, with their numbers. */
  send(items: RunnerItem[]): Promise<Answered<ReportAnswer>> {
    return this.call(runnerPaths.report, { runnerId: this.runnerId, items });
  }

  /** The next numbers for these facts. */
  number(...facts: Fact[]): RunnerItem[] {
    return facts.map((fact) => ({ ...fact, n: ++this.n }));
  }

  /** Reports facts in order, and expects them all to be stored. */
  async report(...facts: Fact[]): Promise<void> {
    const { status, body } = await this.send(this.number(...facts));
    if (status !== 200 || body.acknowledged !== this.n) {
      throw new Error(`report answered ${status}: ${JSON.stringify(body)}, not ${this.n}`);
    }
  }

  /** Starts: hello, and the tree is there. */
  async start(): Promise<this> {
    const { status, body } = await this.hello();
    if (status !== 200) throw new Error(`hello answered ${status}: ${JSON.stringify(body)}`);
    await this.report({ type: 'workspace.prepared' });
    return this;
  }

  text({ turnId, attemptId }: ClaimedTurn, text: string): Fact {
    return { type: 'agent.text', turnId, attemptId, text };
  }

  answer({ turnId, attemptId }: ClaimedTurn, text: string): Fact {
    return { type: 'agent.answer', turnId, attemptId, text };
  }

  finished(
    { turnId, attemptId }: ClaimedTurn,
    outcome: TurnOutcome = { result: 'completed' },
    ageSeconds = 0,
  ): Fact {
    return { type: 'turn.finished', turnId, attemptId, outcome, ageSeconds };
  }
}

/** A proxy as the control plane sees one. */
export class TestProxy {
  private readonly calls: Api;

  constructor(
    app: Pick<TestApp, 'url'>,
    readonly token: string,
  ) {
    this.calls = new Api(app.url, token, '');
  }

  call<T>(path: string, body: object): Promise<Answered<T>> {
    return this.calls.call<T>('POST', path, body);
  }

  tryLease(upstream: LentFor = 'anthropic'): Promise<Answered<Lease>> {
    return this.call(proxyPaths.lease, { upstream });
  }

  async lease(upstream: LentFor = 'anthropic'): Promise<Lease> {
    const { status, body } = await this.tryLease(upstream);
    if (status !== 200) throw new Error(`lease answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  async report(...items: ProxyReportItem[]): Promise<void> {
    const { status, body } = await this.call(proxyPaths.report, { items });
    if (status !== 204) throw new Error(`report answered ${status}: ${JSON.stringify(body)}`);
  }

  served(
    { credentialId, generation }: Pick<Lease, 'credentialId' | 'generation'>,
    id = randomUUID(),
  ): ProxyReportItem {
    return { id, type: 'served', credentialId, generation };
  }

  refused(
    { credentialId, generation }: Pick<Lease, 'credentialId' | 'generation'>,
    id = randomUUID(),
  ): ProxyReportItem {
    const errorType = 'authentication_error';
    return { id, type: 'refused', credentialId, generation, status: 401, errorType };
  }

  used(
    { credentialId, generation }: Pick<Lease, 'credentialId' | 'generation'>,
    id = randomUUID(),
  ): ProxyReportItem {
    const tokens = { inputTokens: 10, outputTokens: 5, cacheReadTokens: null, cacheWriteTokens: 0 };
    return { id, type: 'usage', credentialId, generation, model: 'm', ...tokens };
  }
}

/** Waits until the runtime was asked to start the workspace for the nth time, and gives the machines that would live by it. */
export async function machinesOf(
  app: TestApp,
  workspaceId: string,
  nth = 1,
): Promise<{ runner: TestRunner; proxy: TestProxy; git: GitRoute | null }> {
  const starts = () => app.runtime.callsOf('start').filter((call) => call.workspaceId === workspaceId);
  await eventually(`start number ${nth} of the workspace`, () => starts().length >= nth);
  const request = starts()[nth - 1]?.request;
  return {
    runner: new TestRunner(app, request?.runnerToken ?? ''),
    proxy: new TestProxy(app, request?.proxyToken ?? ''),
    git: request?.git ?? null,
  };
}
