import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { waitingForLock, writeWorkspace, type WorkspaceRows } from '../../test/support/rows.js';
import { Database, type Tenant } from '../database/index.js';
import { eventsStore, type NewEvent } from './index.js';

const at = new Date('2026-01-01T00:00:00.000Z');
const text = (n: number | string, sourceKey?: string): NewEvent => ({
  type: 'agent.text',
  at,
  data: { n },
  ...(sourceKey ? { sourceKey } : {}),
});

/** One of the two processes, in turn. */
const half = (n: number): 0 | 1 => (n % 2 === 0 ? 0 : 1);

describe('eventsStore', () => {
  let server: TestDatabase;
  let databases: [Database, Database];
  let rows: WorkspaceRows;

  beforeAll(async () => {
    server = await createTestDatabase();
    // Two pools: as two processes of Berth would write.
    databases = [new Database(server.appUrl), new Database(server.appUrl)];
  });
  beforeEach(async () => {
    rows = await writeWorkspace(server.ownerUrl);
  });
  afterAll(async () => {
    await Promise.all(databases.map((database) => database.close()));
    await server.drop();
  });

  const inside = <T>(work: (tenant: Tenant) => Promise<T>, pool: 0 | 1 = 0): Promise<T> =>
    databases[pool].tenant(rows.organizationId, work);
  const append = (events: NewEvent[], pool: 0 | 1 = 0): Promise<void> =>
    inside((tenant) => eventsStore.append(tenant, rows.workspaceId, events), pool);
  const list = (after = 0, limit = 1000) =>
    inside((tenant) => eventsStore.list(tenant, rows.workspaceId, after, limit));
  const seqs = async (after = 0): Promise<number[]> => (await list(after)).map(({ seq }) => seq);
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

  it('numbers 50 concurrent appends from two processes 1 to n without a gap', async () => {
    const sizes = Array.from({ length: 50 }, (_, n) => 1 + (n % 3));
    await Promise.all(
      sizes.map((size, n) =>
        append(
          Array.from({ length: size }, (_, part) => text(`${n}.${part}`)),
          half(n),
        ),
      ),
    );
    const events = await list();
    expect(events.map(({ seq }) => seq)).toEqual(upTo(sizes.reduce((a, b) => a + b)));
    // What was appended together stands together, in its order.
    const said = events.map(({ data }) => data.n as string);
    sizes.forEach((size, n) => {
      const first = said.indexOf(`${n}.0`);
      expect(said.slice(first, first + size)).toEqual(
        Array.from({ length: size }, (_, part) => `${n}.${part}`),
      );
    });
  });

  it('leaves no gap behind a transaction that was rolled back', async () => {
    await append([text(1)]);
    const broken = inside(async (tenant) => {
      await eventsStore.append(tenant, rows.workspaceId, [text(2), text(3)]);
      throw new Error('killed');
    });
    await expect(broken).rejects.toThrow('killed');
    await append([text(4)]);
    expect((await list()).map(({ seq, data }) => [seq, data.n])).toEqual([
      [1, 1],
      [2, 4],
    ]);
  });

  it('counts a source once: again later, twice in one batch, and in 20 deliveries at once', async () => {
    await append([text('a', 'proxy:1')]);
    await append([text('b', 'proxy:1'), text('c', 'proxy:2'), text('d', 'proxy:2'), text('e')]);
    expect((await list()).map(({ data }) => data.n)).toEqual(['a', 'c', 'e']);
    await Promise.all(Array.from({ length: 20 }, (_, n) => append([text(n, 'proxy:3')], half(n))));
    expect(await seqs()).toEqual(upTo(4));
  });

  it('takes the same source in another workspace for another', async () => {
    await append([text(1, 'proxy:1')]);
    rows = await writeWorkspace(server.ownerUrl);
    await append([text(2, 'proxy:1')]);
    expect((await list()).map(({ seq, data }) => [seq, data.n])).toEqual([[1, 2]]);
  });

  it('never shows a later number before an earlier one is committed', async () => {
    let commit: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (commit = resolve));
    let appended: () => void = () => undefined;
    const written = new Promise<void>((resolve) => (appended = resolve));
    const slow = inside(async (tenant) => {
      await eventsStore.append(tenant, rows.workspaceId, [text('slow')]);
      appended();
      await held;
    });
    await written;
    const fast = append([text('fast')], 1);
    // The faster writer waits for the slower: number 2 cannot be there before number 1.
    await eventually('the second writer waits', async () => (await waitingForLock(server)) === 1);
    expect(await list()).toEqual([]);
    commit();
    await Promise.all([slow, fast]);
    expect((await list()).map(({ seq, data }) => [seq, data.n])).toEqual([
      [1, 'slow'],
      [2, 'fast'],
    ]);
  });

  it('a reader that resumes after the last number it saw misses and repeats nothing, while 60 are written', async () => {
    const writing = Promise.all(Array.from({ length: 60 }, (_, n) => append([text(n)], half(n))));
    const read: number[] = [];
    while (read.length < 60) read.push(...(await list(read.at(-1) ?? 0, 7)).map(({ seq }) => seq));
    await writing;
    expect(read).toEqual(upTo(60));
  });

  it('answers nothing after the end, whatever number a reader says', async () => {
    await append([text(1)]);
    expect(await seqs(1)).toEqual([]);
    expect(await seqs(2 ** 31)).toEqual([]);
    expect(await seqs(Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  it('refuses events of a workspace that is not there, and shows none of another organization', async () => {
    await append([text(1)]);
    const { organizationId } = await writeWorkspace(server.ownerUrl);
    const foreign = databases[0].tenant(organizationId, (tenant) =>
      eventsStore.append(tenant, rows.workspaceId, [text(2)]),
    );
    await expect(foreign).rejects.toThrow();
    const seen = await databases[0].tenant(organizationId, (tenant) =>
      eventsStore.list(tenant, rows.workspaceId, 0, 10),
    );
    expect(seen).toEqual([]);
    expect(await seqs()).toEqual([1]);
  });
});
