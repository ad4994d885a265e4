import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { waitingForLock, writeWorkspace, type WorkspaceRows } from '../../test/support/rows.js';
import type { WorkspaceState } from '../contracts/index.js';
import { Database, isUniqueViolation, type Tenant } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { systemIds } from '../kernel/index.js';
import { legalMoves, type OperationKind } from './state.js';
import { workspacesStore, type Move } from './workspaces.store.js';

const at = new Date('2026-01-01T00:00:00.000Z');
const initiator = { type: 'system', id: 'worker', name: 'Berth' } as const;
const begin = (to: WorkspaceState, kind: OperationKind): Move => ({
  to,
  reason: null,
  at,
  begins: { id: systemIds.next(), kind, reason: 'asked for', initiator },
});

describe('workspacesStore', () => {
  let server: TestDatabase;
  let databases: [Database, Database];
  let rows: WorkspaceRows;

  beforeAll(async () => {
    server = await createTestDatabase();
    databases = [new Database(server.appUrl), new Database(server.appUrl)];
  });
  afterAll(async () => {
    await Promise.all(databases.map((database) => database.close()));
    await server.drop();
  });
  const inside = <T>(work: (tenant: Tenant) => Promise<T>, pool: 0 | 1 = 0): Promise<T> =>
    databases[pool].tenant(rows.organizationId, work);
  const move = (from: WorkspaceState, what: Move, pool: 0 | 1 = 0): Promise<boolean> =>
    inside((tenant) => workspacesStore.move(tenant, rows.workspaceId, from, what), pool);
  const read = () =>
    inside(async (tenant) => {
      const workspace = await workspacesStore.find(tenant, rows.workspaceId);
      const operations = await workspacesStore.operations(tenant, rows.workspaceId, {
        after: null,
        take: 50,
      });
      const events = await eventsStore.list(tenant, rows.workspaceId, 0, 100);
      return {
        state: workspace?.state,
        runnerId: workspace?.runnerId,
        operations: operations.map(({ kind, state }) => `${kind} ${state}`),
        events: events.map(({ data }) => data.state),
      };
    });

  it('lets one of ten movers win, with one operation and one event', async () => {
    rows = await writeWorkspace(server.ownerUrl);
    const won = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        move('running', begin('hibernating', 'hibernate'), n % 2 === 0 ? 0 : 1),
      ),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await read()).toMatchObject({
      state: 'hibernating',
      operations: ['hibernate running'],
      events: ['hibernating'],
    });
  });

  it('lets a loser see that somebody else was first, and change nothing', async () => {
    rows = await writeWorkspace(server.ownerUrl);
    const results = await Promise.all([
      move('running', begin('hibernating', 'hibernate'), 0),
      move('running', begin('deleting', 'delete'), 1),
    ]);
    expect(results.filter(Boolean)).toHaveLength(1);
    const { state, operations, events } = await read();
    expect(operations).toHaveLength(1);
    expect(events).toEqual([state]);
  });

  const states = (Object.keys(legalMoves) as WorkspaceState[]).filter((state) => state !== 'deleted');
  it.each(states)('from %s: makes every legal move and throws on every other', async (from) => {
    for (const to of states) {
      rows = await writeWorkspace(server.ownerUrl, {
        state: from,
        ...(from === 'failed' ? { state_reason: 'r' } : {}),
      });
      const moved = move(from, { to, reason: to === 'failed' ? 'why' : null, at });
      if (legalMoves[from].includes(to)) {
        expect(await moved).toBe(true);
        expect((await read()).state).toBe(to);
      } else {
        await expect(moved).rejects.toThrow(`A workspace cannot go from ${from} to ${to}.`);
        expect(await read()).toMatchObject({ state: from, events: [] });
      }
    }
  });

  it('refuses to fail without a reason', async () => {
    rows = await writeWorkspace(server.ownerUrl);
    await expect(move('running', { to: 'failed', reason: null, at })).rejects.toThrow('needs a reason');
    expect((await read()).state).toBe('running');
  });

  it('has one running operation at a time: a new one ends the old, and the database refuses a second', async () => {
    rows = await writeWorkspace(server.ownerUrl, { state: 'failed', state_reason: 'r' });
    await move('failed', begin('waking', 'wake'));
    await move('waking', begin('deleting', 'delete'));
    expect((await read()).operations).toEqual(['delete running', 'wake superseded']);
    const second = inside((tenant) =>
      tenant.db.operation.create({
        data: {
          id: systemIds.next(),
          organizationId: tenant.organizationId,
          workspaceId: rows.workspaceId,
          kind: 'wake',
          state: 'running',
          reason: 'x',
          initiator,
          createdAt: at,
        },
      }),
    );
    expect(await second.catch(isUniqueViolation)).toBe(true);
  });

  it('ends an operation as it was told, and forgets the runner of what sleeps or failed', async () => {
    const runnerId = systemIds.next();
    rows = await writeWorkspace(server.ownerUrl, { runner_id: runnerId });
    await move('running', begin('hibernating', 'hibernate'));
    expect((await read()).runnerId).toBe(runnerId);
    await move('hibernating', { to: 'hibernated', reason: null, at, ends: { state: 'succeeded' } });
    await move('hibernated', begin('waking', 'wake'));
    const error = { code: 'no-space', message: 'No space.' };
    await move('waking', { to: 'failed', reason: error.message, at, ends: { state: 'failed', error } });
    expect(await read()).toEqual({
      state: 'failed',
      runnerId: null,
      operations: ['wake failed', 'hibernate succeeded'],
      events: ['hibernating', 'hibernated', 'waking', 'failed'],
    });
  });

  it('holds the row from a locked look to the commit: who comes later decides by what was written', async () => {
    rows = await writeWorkspace(server.ownerUrl);
    const { workspaceId } = rows;
    let go: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    let locked: () => void = () => undefined;
    const isLocked = new Promise<void>((resolve) => (locked = resolve));
    const first = inside(async (tenant) => {
      await workspacesStore.findLocked(tenant, workspaceId);
      locked();
      await held;
      await workspacesStore.desire(tenant, workspaceId, 'hibernated', at);
    });
    await isLocked;
    const second = inside((tenant) => workspacesStore.findLocked(tenant, workspaceId), 1);
    await eventually('the second waits', async () => (await waitingForLock(server)) === 1);
    // A look without a lock waits for nobody.
    expect((await read()).state).toBe('running');
    go();
    await first;
    expect((await second)?.desiredState).toBe('hibernated');
  });

  it('touches forwards only, and never what another organization has', async () => {
    rows = await writeWorkspace(server.ownerUrl, { last_activity_at: at });
    const later = new Date(at.getTime() + 60_000);
    const touch = (when: Date) => inside((tenant) => workspacesStore.touch(tenant, rows.workspaceId, when));
    const lastActivity = () =>
      inside(async (tenant) => (await workspacesStore.find(tenant, rows.workspaceId))?.lastActivityAt);
    await touch(later);
    await touch(at);
    expect(await lastActivity()).toEqual(later);
    const { workspaceId } = rows;
    const mine = rows;
    rows = await writeWorkspace(server.ownerUrl);
    await inside((tenant) => workspacesStore.touch(tenant, workspaceId, new Date(later.getTime() + 60_000)));
    rows = mine;
    expect(await lastActivity()).toEqual(later);
  });

  it('removes only what is being deleted', async () => {
    rows = await writeWorkspace(server.ownerUrl);
    await inside((tenant) => workspacesStore.remove(tenant, rows.workspaceId));
    expect((await read()).state).toBe('running');
    await move('running', begin('deleting', 'delete'));
    await inside((tenant) => workspacesStore.remove(tenant, rows.workspaceId));
    expect(await read()).toMatchObject({ state: undefined, operations: [], events: [] });
  });
});
