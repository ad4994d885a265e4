import { BerthError, systemIds } from '../../kernel/index.js';
import type { Runtime, RuntimeStart, WorkspacePresence } from '../runtime.js';

/** One call as it was made; `start` carries its whole request. */
export type RuntimeCall =
  | { method: 'start'; workspaceId: string; request: RuntimeStart }
  | { method: 'stop' | 'destroy'; workspaceId: string };

type FailingMethod = RuntimeCall['method'] | 'inspect' | 'list';

/** An in-memory Runtime for the tests of other rooms: keeps the port's promises, records calls, fails when told to. */
export class FakeRuntime implements Runtime {
  readonly calls: RuntimeCall[] = [];
  /** The credentials whose leases were to be forgotten, in order. */
  readonly forgotten: string[] = [];
  /** True between `open` and `close`. */
  isOpen = false;
  /** Whether runners there could be heard. */
  reachesBerth = true;
  private readonly present = new Map<string, 'running' | 'stopped'>();
  private readonly held = new Map<FailingMethod, Promise<void>>();
  private readonly failures = new Map<FailingMethod, Error[]>();

  constructor(readonly hostId: string = systemIds.next()) {}

  /** Makes the next `times` calls of `method` fail. The calls are recorded all the same. */
  failNext(
    method: FailingMethod,
    error: Error = new BerthError('runtime-failed', 'The machine refused. Try again.'),
    times = 1,
  ): void {
    const queue = this.failures.get(method) ?? [];
    this.failures.set(method, [...queue, ...Array<Error>(times).fill(error)]);
  }

  /** Makes the next call of `method` wait until the answer is called; it is carried out then. */
  holdNext(method: FailingMethod): () => void {
    let release = (): void => undefined;
    this.held.set(method, new Promise((resolve) => (release = resolve)));
    return release;
  }

  /** A runner lives although nobody asked for it (any more). */
  resurrect(workspaceId: string): void {
    this.present.set(workspaceId, 'running');
  }

  /** The runner of a workspace ends without anybody asking; its files stay. */
  crash(workspaceId: string): void {
    if (this.present.has(workspaceId)) this.present.set(workspaceId, 'stopped');
  }

  /** The calls of one method, in order. */
  callsOf<M extends RuntimeCall['method']>(method: M): Extract<RuntimeCall, { method: M }>[] {
    return this.calls.filter((call): call is Extract<RuntimeCall, { method: M }> => call.method === method);
  }

  async start(request: RuntimeStart): Promise<{ adopted: boolean }> {
    const { workspaceId } = request;
    this.calls.push({ method: 'start', workspaceId, request });
    await this.failIfTold('start');
    const adopted = this.present.get(workspaceId) === 'running';
    this.present.set(workspaceId, 'running');
    return { adopted };
  }

  async stop(workspaceId: string): Promise<void> {
    this.calls.push({ method: 'stop', workspaceId });
    await this.failIfTold('stop');
    this.crash(workspaceId);
  }

  async destroy(workspaceId: string): Promise<void> {
    this.calls.push({ method: 'destroy', workspaceId });
    await this.failIfTold('destroy');
    this.present.delete(workspaceId);
  }

  forget(credentialId: string): void {
    this.forgotten.push(credentialId);
  }

  async inspect(workspaceId: string): Promise<WorkspacePresence> {
    await this.failIfTold('inspect');
    return this.present.get(workspaceId) ?? 'absent';
  }

  running(): Promise<string[]> {
    return Promise.resolve([...this.present].filter(([, is]) => is === 'running').map(([id]) => id));
  }

  canReachBerth(): Promise<boolean> {
    return Promise.resolve(this.reachesBerth);
  }

  async list(): Promise<string[]> {
    await this.failIfTold('list');
    return [...this.present.keys()].sort();
  }

  async listed(): Promise<ReadonlySet<string>> {
    return new Set(await this.list());
  }

  open(): Promise<void> {
    this.isOpen = true;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.isOpen = false;
    for (const id of this.present.keys()) this.crash(id);
    return Promise.resolve();
  }

  private async failIfTold(method: FailingMethod): Promise<void> {
    const held = this.held.get(method);
    this.held.delete(method);
    await held;
    const error = this.failures.get(method)?.shift();
    if (error !== undefined) throw error;
  }
}
