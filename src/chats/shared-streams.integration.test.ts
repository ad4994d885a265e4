import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { API_KEY } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { request } from '../../test/support/http.js';
import { StreamReader } from '../../test/support/stream-reader.js';
import { withClient } from '../../test/support/tables.js';
import { Database } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { hashToken } from '../identity/index.js';
import { FakeClock, type Clock } from '../kernel/index.js';

const READERS = 150;
const EVENTS = 30;
/** Of the pool's connections. */
const MOST_AT_ONCE = 4;

/** Counts the transactions of the looks. */
class CountedDatabase extends Database {
  looks = 0;
  mostAtOnce = 0;
  #underWay = 0;

  override async apart<T>(...args: Parameters<Database['apart']>): Promise<T> {
    this.looks++;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay);
    try {
      return (await super.apart(...args)) as T;
    } finally {
      this.#underWay--;
    }
  }
}

let clock: FakeClock & Clock;
/** Where things are written, and another replica, where they are read. */
let writing: TestApp;
let reading: TestApp;
let database: CountedDatabase;
let acme: TestOrganization;
let ann: TestMember;
let id: string;
const readers: StreamReader[] = [];

beforeAll(async () => {
  clock = new FakeClock();
  writing = await startTestApp({ clock });
  database = new CountedDatabase(writing.database.appUrl);
  reading = await startTestApp({ clock, beside: writing, parts: { database } });
  acme = await writing.founded('acme');
  await acme.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
});
beforeEach(async () => {
  ann = await writing.member(acme, 'member');
  ({ id } = await acme.owner.api.createWorkspace({ repository: 'acme/app' }));
  await acme.owner.api.call('PATCH', path(), { shared: true }, 202);
});
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.hangUp();
  await eventually('nobody is waited for', () => reading.parts.feed.waiting() === 0);
});
afterAll(async () => {
  await reading.close();
  await writing.close();
});

const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, at) => from + at);
const path = (rest = ''): string => acme.owner.api.path(`/workspaces/${id}${rest}`);
function open(headers: Record<string, string>, after = 0): StreamReader {
  const reader = new StreamReader(`${reading.url}${path('/events')}`, {
    ...headers,
    'last-event-id': String(after),
  });
  readers.push(reader);
  return reader;
}
const read = ({ apiKey }: TestMember, after?: number): StreamReader =>
  open({ authorization: `Bearer ${apiKey}` }, after);
const write = (count: number): Promise<void> =>
  writing.parts.database.tenant(acme.id, (tenant) =>
    eventsStore.append(
      tenant,
      id,
      Array.from({ length: count }, () => ({ type: 'agent.text' as const, at: new Date(), data: {} })),
    ),
  );
const sql = (text: string, values: unknown[]): Promise<unknown> =>
  withClient(writing.database.ownerUrl, (client) => client.query(text, values));
const allAreThere = (streams: StreamReader[]): Promise<void> =>
  eventually('all are connected', () => streams.every(({ seqs }) => seqs.length > 0));

describe('many streams of one workspace', () => {
  it('bring everything to everybody, with few transactions', async () => {
    const [owners, anns] = [acme.owner, ann].map((who) => Array.from({ length: READERS }, () => read(who)));
    await allAreThere(readers);
    database.looks = database.mostAtOnce = 0;
    for (let count = 0; count < EVENTS; count++) await write(1);
    await Promise.all(readers.map((reader) => reader.until(EVENTS + 1)));
    for (const reader of readers) expect(reader.seqs).toEqual(upTo(EVENTS + 1));
    // Each for itself they would be a look at least per reader and event.
    expect(database.looks).toBeLessThan(3 * EVENTS);
    expect(database.mostAtOnce).toBeLessThanOrEqual(MOST_AT_ONCE);

    // Who shared their looks with others loses the right alone.
    await acme.owner.api.call('DELETE', acme.owner.api.path(`/members/${ann.userId}`), undefined, 204);
    await eventually(
      'the streams of who was removed end',
      () => anns?.every(({ ended }) => ended) ?? false,
      3,
    );
    const last = EVENTS + 1;
    await write(1);
    await Promise.all(owners?.map((reader) => reader.until(last + 1)) ?? []);
    expect(owners?.every(({ ended, seqs }) => !ended && seqs.length === last + 1)).toBe(true);
    expect(anns?.every(({ seqs }) => seqs.length === last)).toBe(true);
  });

  it('bring each what is after its own number, however far apart they are', async () => {
    await write(2500);
    const afters = [0, 1, 99, 100, 101, 1000, 1499, 1500, 2399, 2400, 2499, 2500, 2501];
    const streams = afters.map((after) => read(acme.owner, after));
    await eventually('all are connected', () => streams.every(({ status }) => status === 200));
    await write(10);
    for (const [at, after] of afters.entries()) {
      await streams[at]?.until(2511 - after);
      expect(streams[at]?.seqs).toEqual(upTo(2511, after + 1));
    }
  });
});

describe('a stream ends with what its reader came by', () => {
  /** A browser that is signed in as the owner. */
  async function session(expiresAt = new Date(clock.now().getTime() + 3_600_000)) {
    const token = writing.world.ids.next();
    await sql('INSERT INTO session (id, user_id, hash, expires_at, created_at) VALUES ($1, $2, $3, $4, $5)', [
      writing.world.ids.next(),
      acme.owner.userId,
      hashToken(token),
      expiresAt,
      clock.now(),
    ]);
    return { cookie: `berth_session=${token}` };
  }
  async function key(expiresAt?: Date): Promise<{ id: string; apiKey: string }> {
    const { body } = await acme.owner.api.post<{ id: string; apiKey: string }>(
      acme.owner.api.path('/api-keys'),
      { name: 'for a while', ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}) },
      201,
    );
    return body;
  }
  /** The stream ends within seconds, without waiting for a look by itself; the other one of the same person does not. */
  async function expectEnd(ending: StreamReader, other: StreamReader): Promise<void> {
    await eventually('it ends', () => ending.ended, 5);
    await write(1);
    await other.until(2);
    expect([other.ended, ending.seqs]).toEqual([false, [1]]);
  }

  it('an API key that is deleted', async () => {
    const made = await key();
    const [ending, other] = [open({ authorization: `Bearer ${made.apiKey}` }), read(acme.owner)];
    await allAreThere([ending, other]);
    await acme.owner.api.call('DELETE', acme.owner.api.path(`/api-keys/${made.id}`), undefined, 204);
    await expectEnd(ending, other);
  });

  it('a session that is signed out', async () => {
    const [headers, another] = [await session(), await session()];
    const [ending, other] = [open(headers), open(another)];
    await allAreThere([ending, other]);
    const signOut = { ...headers, 'sec-fetch-site': 'same-origin' };
    const { status } = await request(`${writing.url}/api/v1/session`, { method: 'DELETE', headers: signOut });
    expect(status).toBe(204);
    await expectEnd(ending, other);
  });

  it('either, when it has expired, with the next look', async () => {
    const soon = new Date(clock.now().getTime() + 1000);
    const ending = [await session(soon), { authorization: `Bearer ${(await key(soon)).apiKey}` }].map(
      (headers) => open(headers),
    );
    const other = read(acme.owner);
    await allAreThere([...ending, other]);
    clock.advance(2000);
    await write(1);
    await eventually('they end', () => ending.every(({ ended }) => ended), 5);
    await other.until(2);
    expect(ending.map(({ seqs }) => seqs)).toEqual([[1], [1]]);
  });
});
