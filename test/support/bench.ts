import { randomUUID } from 'node:crypto';
import type { EventView, OperationView, WorkspaceState, WorkspaceView } from '../../src/contracts/index.js';
import { FakeClock } from '../../src/kernel/index.js';
import { Reconciler } from '../../src/workspaces/reconciler.js';
import { Sweep } from '../../src/workspaces/index.js';
import type { Api } from './api.js';
import {
  startTestApp,
  type TestApp,
  type TestAppOptions,
  type TestMember,
  type TestOrganization,
} from './app.js';
import { machinesOf, type TestProxy, type TestRunner } from './machines.js';
import { withClient } from './tables.js';

export const API_KEY = `sk-ant-api03-${'x'.repeat(40)}`;

/** A workspace whose machines the test plays. */
export interface PlayedWorkspace {
  id: string;
  runner: TestRunner;
  proxy: TestProxy;
}

/**
 * The real app with one organization, whose owner has an API key for Claude, and a clock that the test moves. Without the option `worker` nothing is done in
 * the background: the test reconciles by hand, and so decides what happens in which order.
 */
export class Bench {
  private constructor(
    readonly app: TestApp,
    readonly clock: FakeClock,
    readonly organization: TestOrganization,
  ) {}

  static async start(options: TestAppOptions = {}): Promise<Bench> {
    const clock = new FakeClock();
    const app = await startTestApp({ clock, ...options });
    const organization = await app.founded('acme');
    await organization.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    return new Bench(app, clock, organization);
  }

  get owner(): TestMember {
    return this.organization.owner;
  }

  get api(): Api {
    return this.owner.api;
  }

  create(input: Record<string, unknown> = {}): Promise<WorkspaceView> {
    return this.api.createWorkspace({ repository: 'acme/app', ...input });
  }

  reconcile(workspaceId: string): Promise<void> {
    const ref = { organizationId: this.organization.id, workspaceId };
    return this.app.app.get(Reconciler, { strict: false }).reconcile(ref);
  }

  get sweep(): Sweep {
    return this.app.app.get(Sweep, { strict: false });
  }

  /** A workspace whose runtime was started for the nth time; its runner has not called yet. */
  async started(id: string, nth = 1): Promise<PlayedWorkspace> {
    await this.reconcile(id);
    return { id, ...(await machinesOf(this.app, id, nth)) };
  }

  /** A running workspace. */
  async running(input: Record<string, unknown> = {}): Promise<PlayedWorkspace> {
    const { id } = await this.create(input);
    const played = await this.started(id);
    await played.runner.start();
    return played;
  }

  /** A new workspace in this state, by the way a real one gets there. */
  async inState(state: WorkspaceState): Promise<PlayedWorkspace> {
    if (state === 'provisioning') return this.started((await this.create()).id);
    const played = await this.running();
    const { id, runner } = played;
    switch (state) {
      case 'running':
        break;
      case 'failed':
        await runner.report({ type: 'workspace.failed', code: 'no-space', message: 'No space left.' });
        break;
      case 'deleting':
        await this.act(id, 'DELETE', '');
        break;
      default:
        await this.act(id, 'POST', '/hibernate');
        if (state !== 'hibernating') await this.reconcile(id);
        if (state === 'waking') await this.act(id, 'POST', '/wake');
    }
    return played;
  }

  async act(id: string, method: 'POST' | 'DELETE', rest: string, expected = 202): Promise<WorkspaceView> {
    const path = this.api.path(`/workspaces/${id}${rest}`);
    return (await this.api.call<WorkspaceView>(method, path, undefined, expected)).body;
  }

  hibernate(id: string): Promise<WorkspaceView> {
    return this.act(id, 'POST', '/hibernate');
  }

  wake(id: string): Promise<WorkspaceView> {
    return this.act(id, 'POST', '/wake');
  }

  delete(id: string): Promise<WorkspaceView> {
    return this.act(id, 'DELETE', '');
  }

  async state(id: string): Promise<string> {
    const { status, body } = await this.api.call<WorkspaceView>('GET', this.api.path(`/workspaces/${id}`));
    return status === 404 ? 'gone' : body.state;
  }

  /** Oldest first, as `kind state`. */
  async operations(id: string): Promise<OperationView[]> {
    const path = this.api.path(`/workspaces/${id}/operations?limit=100`);
    return (await this.api.get<{ items: OperationView[] }>(path)).body.items.reverse();
  }

  /** The states that events told, in order. */
  async toldStates(id: string): Promise<unknown[]> {
    return (await this.eventsOf(id, 'workspace.state')).map(({ data }) => data.state);
  }

  async eventsOf(id: string, type: string): Promise<EventView[]> {
    return (await this.api.events(id)).filter((event) => event.type === type);
  }

  /** The calls the runtime got for a workspace, in order. */
  calls(id: string): string[] {
    return this.app.runtime.calls.filter(({ workspaceId }) => workspaceId === id).map(({ method }) => method);
  }

  /** How many machine tokens of the workspace are valid. */
  async tokens(id: string): Promise<number> {
    return (await this.sql('SELECT 1 FROM machine_token WHERE workspace_id = $1', [id])).length;
  }

  sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return withClient(this.app.database.ownerUrl, async (client) => {
      const { rows } = await client.query<Record<string, unknown>>(text, values);
      return rows;
    });
  }

  newId(): string {
    return randomUUID();
  }

  close(): Promise<void> {
    return this.app.close();
  }
}
