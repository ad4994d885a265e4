import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { StreamReader } from '../../test/support/stream-reader.js';
import type { EventView } from '../contracts/index.js';
import { eventsStore } from '../events/index.js';

describe('the event stream', () => {
  let bench: Bench;
  let id: string;
  const readers: StreamReader[] = [];
  beforeAll(async () => {
    bench = await Bench.start();
  });
  beforeEach(async () => {
    ({ id } = await bench.create());
  });
  afterEach(() => {
    for (const reader of readers.splice(0)) reader.hangUp();
  });
  afterAll(() => bench.close());

  const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, at) => from + at);
  const path = (): string => bench.api.path(`/workspaces/${id}/events`);
  const waiting = (): number => bench.app.parts.feed.waiting(id);
  function read(
    lastEventId?: string,
    options: { query?: string; paused?: boolean; key?: string } = {},
  ): StreamReader {
    const reader = new StreamReader(
      `${bench.app.url}${path()}${options.query ?? ''}`,
      {
        authorization: `Bearer ${options.key ?? bench.owner.apiKey}`,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
      options.paused,
    );
    readers.push(reader);
    return reader;
  }
  /** Writes events past the API; the workspace has one already. */
  const write = (count: number, text = 'x'): Promise<void> =>
    bench.app.parts.database.tenant(bench.organization.id, (tenant) =>
      eventsStore.append(
        tenant,
        id,
        Array.from({ length: count }, () => ({
          type: 'agent.text' as const,
          at: new Date(),
          data: { text },
        })),
      ),
    );

  it('tells what was, and then what comes, in order', async () => {
    await write(3);
    const reader = read();
    await reader.until(4);
    for (let round = 0; round < 5; round++) await write(2);
    await reader.until(14);
    expect(reader.seqs).toEqual(upTo(14));
    expect(reader.events[0]).toMatchObject({
      seq: 1,
      type: 'workspace.state',
      data: { state: 'provisioning' },
    });
    expect(reader.response?.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
  });

  it('resumes after every number without a gap or a repeat', async () => {
    await write(7);
    const positions = upTo(8, 0);
    const resumed = positions.map((position) => read(String(position)));
    const queried = positions.map((position) => read(undefined, { query: `?after=${position}` }));
    await eventually('all are connected', () =>
      [...resumed, ...queried].every(({ status }) => status === 200),
    );
    await write(2);
    for (const position of positions) {
      for (const reader of [resumed[position], queried[position]]) {
        await reader?.until(10 - position);
        expect(reader?.seqs).toEqual(upTo(10, position + 1));
      }
    }
  });

  it('shows nothing to who resumes after what is not there yet, until it is', async () => {
    const far = read('5');
    const beyond = read('999999999999999');
    await eventually('both wait', () => waiting() === 2);
    await write(6);
    await far.until(2);
    expect([far.seqs, beyond.seqs, beyond.status]).toEqual([[6, 7], [], 200]);
  });

  it('misses nothing that is written while readers connect', async () => {
    const writing = (async () => {
      for (let round = 0; round < 30; round++) await write(1);
    })();
    for (let round = 0; round < 8; round++) {
      const reader = read();
      await reader.until(1);
    }
    await writing;
    for (const reader of readers) {
      await reader.until(31);
      expect(reader.seqs).toEqual(upTo(31));
    }
  });

  it('serves the others while one reader takes nothing, and that one later, whole', async () => {
    const slow = read('0', { paused: true });
    const quick = read('0');
    await eventually('both are connected', () => slow.status === 200 && quick.status === 200);
    // Far more than the buffers between us hold.
    const text = 'x'.repeat(100_000);
    for (let round = 0; round < 12; round++) await write(10, text);
    await quick.until(121);
    expect(slow.events.length).toBeLessThan(121);
    slow.response?.resume();
    await slow.until(121);
    expect(slow.seqs).toEqual(upTo(121));
  });

  it('forgets a reader that hangs up: while it waits, and while it takes nothing', async () => {
    const quick = read();
    const slow = read('0', { paused: true });
    await quick.until(1);
    for (let round = 0; round < 12; round++) await write(10, 'x'.repeat(100_000));
    await quick.until(121);
    quick.hangUp();
    slow.hangUp();
    await eventually('nobody is waited for', () => waiting() === 0);
    for (let round = 0; round < 20; round++) read().hangUp();
    await eventually('nobody is waited for', () => waiting() === 0);
  });

  it('ends when the workspace is deleted, and the next reader hears why', async () => {
    const [one, two] = [read(), read('0')];
    await one.until(1);
    await bench.delete(id);
    await one.until(2);
    expect(one.events.at(-1)?.data).toMatchObject({ state: 'deleting' });
    await bench.reconcile(id);
    await eventually('both streams end', () => one.ended && two.ended);
    expect(waiting()).toBe(0);
    const next = read();
    await eventually('it is answered', () => next.status === 404);
  });

  it.each(['abc', '-1', '1.5', '1e3', '9'.repeat(16)])('refuses Last-Event-ID %s', async (lastEventId) => {
    const response = await fetch(`${bench.app.url}${path()}`, {
      headers: { authorization: `Bearer ${bench.owner.apiKey}`, 'last-event-id': lastEventId },
    });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: 'validation-failed',
      errors: [{ path: 'header.last-event-id', message: 'must be the number of an event' }],
    });
  });

  it('lists in pages what it would stream', async () => {
    await write(5);
    const page = (query: string) =>
      bench.api
        .get<{ items: EventView[]; nextCursor: string | null }>(`${path()}${query}`)
        .then(({ body }) => body);
    expect((await page('')).items.map(({ seq }) => seq)).toEqual(upTo(6));
    const first = await page('?limit=4');
    expect([first.items.map(({ seq }) => seq), first.nextCursor]).toEqual([upTo(4), '4']);
    const rest = await page(`?limit=4&after=${first.nextCursor ?? ''}`);
    expect([rest.items.map(({ seq }) => seq), rest.nextCursor]).toEqual([[5, 6], null]);
    expect(await page(`?after=${Number.MAX_SAFE_INTEGER}`)).toEqual({ items: [], nextCursor: null });
    for (const query of ['?after=-1', '?after=x', '?limit=0', '?limit=1001', '?cursor=1']) {
      expect((await bench.api.call('GET', `${path()}${query}`)).status).toBe(422);
    }
  });

  it('is not for others: not for an admin, not for another organization, not for nobody', async () => {
    const admin = await bench.app.member(bench.organization, 'admin');
    const member = await bench.app.member(bench.organization, 'member');
    for (const [key, status] of [
      [admin.apiKey, 403],
      [member.apiKey, 404],
      ['berth_nobody', 401],
    ] as const) {
      const reader = read('0', { key });
      await eventually('it is answered', () => reader.status === status);
      expect(reader.events).toEqual([]);
    }
  });
});

it('ends every stream when Berth stops, also of a reader who takes nothing', async () => {
  const bench = await Bench.start();
  const { id } = await bench.create();
  const url = `${bench.app.url}${bench.api.path(`/workspaces/${id}/events`)}`;
  const headers = { authorization: `Bearer ${bench.owner.apiKey}` };
  const [quick, slow] = [new StreamReader(url, headers), new StreamReader(url, headers, true)];
  await quick.until(1);
  await eventually('the slow one is connected', () => slow.status === 200);
  await bench.app.parts.database.tenant(bench.organization.id, (tenant) =>
    eventsStore.append(
      tenant,
      id,
      Array.from({ length: 120 }, () => ({
        type: 'agent.text',
        at: new Date(),
        data: { text: 'x'.repeat(100_000) },
      })),
    ),
  );
  await quick.until(121);
  await bench.close();
  slow.response?.resume();
  await eventually('both streams end', () => quick.ended && slow.ended);
});
