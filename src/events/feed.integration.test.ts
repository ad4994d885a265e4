import { eventually } from '../../test/support/eventually.js';
import { asSuperuser, createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { TestRedis } from '../../test/support/redis.js';
import { writeWorkspace } from '../../test/support/rows.js';
import { openWires, type Wires } from '../app/wires.js';
import { Database, SystemStore } from '../database/index.js';
import { silentLog } from '../kernel/index.js';
import { eventsStore, WorkspaceFeed } from './index.js';

const never = new AbortController().signal;

describe.each(['Postgres', 'Redis'])('WorkspaceFeed on %s', (carrier) => {
  let server: TestDatabase;
  let redis: TestRedis | null;
  let system: SystemStore;
  let database: Database;
  let organizationId: string;
  let workspaceId: string;
  const wires: Wires[] = [];
  const feeds: WorkspaceFeed[] = [];

  beforeAll(async () => {
    server = await createTestDatabase();
    redis = carrier === 'Redis' ? await TestRedis.start() : null;
    system = new SystemStore(server.systemUrl);
    database = new Database(server.appUrl, (await open()).tell);
    ({ organizationId, workspaceId } = await writeWorkspace(server.ownerUrl));
  });
  afterEach(async () => {
    await Promise.all(feeds.splice(0).map((feed) => feed.close()));
  });
  afterAll(async () => {
    await Promise.all([database.close(), system.close(), ...wires.map((each) => each.close())]);
    await server.drop();
    await redis?.remove();
  });

  /** The wires of one more process. */
  async function open(): Promise<Wires> {
    const opened = await openWires(redis?.url, { ...server, system }, silentLog);
    wires.push(opened);
    return opened;
  }
  async function openFeed(lookAgainSeconds?: number): Promise<WorkspaceFeed> {
    const feed = new WorkspaceFeed((await open()).notices, lookAgainSeconds);
    feeds.push(feed);
    await feed.open();
    return feed;
  }
  const notify = (id = workspaceId): Promise<void> =>
    database.tenant(organizationId, (tenant) => eventsStore.notify(tenant, id));
  /** Ids of the connections that listen. */
  const listening = async (): Promise<number[]> => {
    if (redis) {
      const list = String(await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub'));
      return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => Number(id));
    }
    const found = await asSuperuser((client) =>
      client.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
          WHERE application_name = 'berth feed' AND datname = $1 AND state = 'idle' AND query LIKE 'listen%'`,
        [new URL(server.appUrl).pathname.slice(1)],
      ),
    );
    return found.rows.map(({ pid }) => pid);
  };
  const cut = (id: number | undefined): Promise<unknown> =>
    redis
      ? redis.command('CLIENT', 'KILL', 'ID', String(id))
      : asSuperuser((client) => client.query('SELECT pg_terminate_backend($1)', [id]));

  it('wakes who waits in any process, and nobody who waits for another workspace', async () => {
    const [one, two] = [await openFeed(), await openFeed()];
    const woken: string[] = [];
    one.subscribe(workspaceId, () => woken.push('one'));
    two.subscribe(workspaceId, () => woken.push('two'));
    two.subscribe('another', () => woken.push('another'));
    await notify();
    await eventually('both are woken', () => woken.length === 2);
    await notify('another');
    await eventually('the other is woken', () => woken.length === 3);
    expect(woken.sort()).toEqual(['another', 'one', 'two']);
  });

  it('wakes at the commit, not before, and never for what was rolled back', async () => {
    const feed = await openFeed();
    let wakes = 0;
    feed.subscribe(workspaceId, () => wakes++);
    const broken = database.tenant(organizationId, async (tenant) => {
      await eventsStore.notify(tenant, workspaceId);
      throw new Error('killed');
    });
    await expect(broken).rejects.toThrow('killed');
    // Notices come in the order of commits: when the second is here, the first would have been.
    await notify('marker');
    let marked = false;
    feed.subscribe('marker', () => (marked = true));
    await notify('marker');
    await eventually('the marker is here', () => marked);
    expect(wakes).toBe(0);
  });

  describe('until', () => {
    it('answers what is there at once, and after each change what came', async () => {
      const feed = await openFeed();
      expect(await feed.until(workspaceId, 60, never, () => Promise.resolve('there'))).toBe('there');
      let found: string | null = null;
      let looks = 0;
      const waiting = feed.until(workspaceId, 60, never, () => {
        looks++;
        return Promise.resolve(found);
      });
      await eventually('it looked and waits', () => looks === 1);
      await notify();
      await eventually('it looked again', () => looks === 2);
      found = 'came';
      await notify();
      expect(await waiting).toBe('came');
      expect(looks).toBe(3);
      expect(feed.waiting()).toBe(0);
    });

    it('does not miss a change while it looks', async () => {
      const feed = await openFeed();
      let there = false;
      let looks = 0;
      const answer = await feed.until(workspaceId, 60, never, async () => {
        looks++;
        // What this look sees is decided, and only then the change happens and is told.
        const seen = there;
        if (looks === 1) {
          const woken = new Promise<void>((resolve) => feed.subscribe(workspaceId, resolve));
          there = true;
          await notify();
          await woken;
        }
        return seen ? 'seen' : null;
      });
      expect([answer, looks]).toEqual(['seen', 2]);
    });

    it('gives up after its time, or when the caller hangs up, also in the middle of a look', async () => {
      const feed = await openFeed();
      expect(await feed.until(workspaceId, 0, never, () => Promise.resolve(null))).toBeNull();
      const gone = new AbortController();
      const waiting = feed.until(workspaceId, 60, gone.signal, () => Promise.resolve(null));
      gone.abort();
      expect(await waiting).toBeNull();
      expect(await feed.until(workspaceId, 60, gone.signal, () => Promise.resolve(null))).toBeNull();
      const during = new AbortController();
      const look = (): Promise<null> => {
        during.abort();
        return Promise.resolve(null);
      };
      expect(await feed.until(workspaceId, 60, during.signal, look)).toBeNull();
      expect(feed.waiting()).toBe(0);
    });

    it('looks again by itself now and then, since a notice can be lost', async () => {
      const feed = await openFeed(0.05);
      let looks = 0;
      expect(
        await feed.until(workspaceId, 60, never, () => Promise.resolve(++looks === 3 ? 'there' : null)),
      ).toBe('there');
    });

    it('passes a failure of the look on, and leaves nobody behind', async () => {
      const feed = await openFeed();
      await expect(
        feed.until(workspaceId, 60, never, () => Promise.reject(new Error('gone'))),
      ).rejects.toThrow('gone');
      expect(feed.waiting()).toBe(0);
    });

    it('ends for all when the feed closes', async () => {
      const feed = await openFeed();
      const all = Promise.all(
        [1, 2, 3].map(() => feed.until(workspaceId, 60, never, () => Promise.resolve(null))),
      );
      expect(feed.waiting(workspaceId)).toBe(3);
      await feed.close();
      expect(await all).toEqual([null, null, null]);
      expect(await feed.until(workspaceId, 60, never, () => Promise.resolve(null))).toBeNull();
      expect([feed.closed, feed.waiting()]).toEqual([true, 0]);
    });
  });

  describe('watch', () => {
    it('remembers what changed since, of the workspace and of what the right hangs on', async () => {
      const feed = await openFeed();
      const watch = feed.watch(workspaceId, 'key', new AbortController());
      // What was there before.
      await watch.changed();
      for (const id of [workspaceId, 'key']) {
        const changed = watch.changed();
        await notify(id);
        await changed;
        let isTold = false;
        const unsubscribe = feed.subscribe(id, () => (isTold = true));
        // Nobody waits for it now, and it is not forgotten.
        await notify(id);
        await eventually('it is told', () => isTold);
        unsubscribe();
        await watch.changed();
      }
      watch.end();
      expect(feed.waiting('key')).toBe(0);
    });

    it('looks again by itself, all of a workspace at the same moments', async () => {
      const feed = await openFeed(0.02);
      const moments: number[][] = [];
      const look = async (of: number): Promise<void> => {
        const watch = feed.watch(workspaceId, `key ${of}`, new AbortController());
        for (let count = 0; count < 5; count++) {
          await watch.changed();
          (moments[of] ??= []).push(performance.now());
        }
        watch.end();
      };
      const first = look(0);
      await eventually('it looked', () => (moments[0]?.length ?? 0) > 1);
      await Promise.all([first, look(1)]);
      const [one, two] = moments;
      // The second one's first look was its own.
      expect(two?.slice(1, 3).every((at) => one?.some((other) => Math.abs(other - at) < 1))).toBe(true);
      expect(feed.waiting()).toBe(0);
    });

    it('ends its reader with the feed, and returns when the reader goes', async () => {
      const feed = await openFeed();
      const [gone, stays] = [new AbortController(), new AbortController()];
      const watches = [gone, stays].map((reader) => feed.watch(workspaceId, 'key', reader));
      await Promise.all(watches.map((watch) => watch.changed()));
      const [going, waiting] = watches.map((watch) => watch.changed());
      gone.abort();
      await going;
      expect(stays.signal.aborted).toBe(false);
      await feed.close();
      await waiting;
      expect(stays.signal.aborted).toBe(true);
      for (const watch of watches) watch.end();
      expect(feed.waiting()).toBe(0);
      const late = new AbortController();
      feed.watch(workspaceId, 'key', late).end();
      expect([late.signal.aborted, feed.waiting()]).toEqual([true, 0]);
    });
  });

  it('connects again when its connection is lost, wakes everybody once it has, and goes on', async () => {
    const feed = await openFeed();
    let wakes = 0;
    feed.subscribe(workspaceId, () => wakes++);
    feed.subscribe('another', () => wakes++);
    const [lost] = await listening();
    await cut(lost);
    // What is told now is told to nobody: hence the waking of everybody afterwards.
    await notify();
    await eventually('everybody was woken', () => wakes === 2);
    const [next] = await listening();
    expect(next).not.toBe(lost);
    await notify();
    await eventually('changes are told again', () => wakes === 3);
    expect(await listening()).toHaveLength(1);
  });

  it('closes in the middle of connecting again, and leaves no connection behind', async () => {
    const feed = await openFeed();
    const [pid] = await listening();
    await cut(pid);
    await feed.close();
    await eventually('nobody listens', async () => (await listening()).length === 0);
    await feed.close();
  });
});
