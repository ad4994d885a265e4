import type { WorkspaceView } from '../contracts/index.js';
import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { request } from '../../test/support/http.js';
import { TestRedis } from '../../test/support/redis.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';
import { WorkspaceSettings } from '../workspaces/index.js';

const SWEEP_SECONDS = 1;
const MANY = 8;

describe('Berth over Redis', () => {
  let redis: TestRedis;
  let bench: Bench;
  const log = new RecordingLog();

  beforeAll(async () => {
    redis = await TestRedis.start();
    const workspaceSettings = new WorkspaceSettings(
      { githubUrl: 'https://github.com', fileRoots: null, dataDirectory: '/nowhere' },
      { claude: 'claude-test', codex: 'codex-test' },
      SWEEP_SECONDS,
      60,
    );
    bench = await Bench.start({ redisUrl: redis.url, worker: true, log, parts: { workspaceSettings } });
    await bench.sweep.start();
  });
  afterAll(async () => {
    await bench.close();
    await redis.remove();
  });

  const ready = async (): Promise<number> => (await request(`${bench.app.url}/readyz`)).status;
  const removeAll = async (ids: string[]): Promise<void> => {
    for (const id of ids) await bench.delete(id);
    for (const id of ids) await eventually('it is gone', async () => (await bench.state(id)) === 'gone');
  };

  it('keeps jobs and notices there and none in Postgres', async () => {
    const { id } = await bench.create();
    await eventually('it is started', () => bench.calls(id).includes('start'));
    expect(await bench.sql('SELECT 1 FROM bullmq.job')).toEqual([]);
    const keys = [...(await redis.dump()).keys()];
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(key).toMatch(/^berth:[0-9a-f-]{36}:/);
    await removeAll([id]);
  });

  it('lives a whole life: a message reaches the runner that waits, its events the reader, sleep, wake, end', async () => {
    const { id } = await bench.create();
    await eventually('it is started', () => bench.calls(id).includes('start'));
    const { runner } = await bench.started(id);
    await runner.start();
    const claimed = runner.claim(20);
    await bench.api.post(bench.api.path(`/workspaces/${id}/messages`), { text: 'hello' }, 202);
    const turn = await claimed;
    await runner.report(runner.text(turn, 'hi'));
    expect(await bench.eventsOf(id, 'agent.text')).toHaveLength(1);
    await bench.hibernate(id);
    await bench.api.untilState(id, 'hibernated');
    await bench.wake(id);
    await eventually(
      'it is started again',
      () => bench.calls(id).filter((call) => call === 'start').length === 2,
    );
    await removeAll([id]);
  });

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['is emptied', () => redis.flush(), () => redis.flush()],
    ['answers nothing for a while', () => redis.pause(), () => redis.resume()],
    ['is killed and started', () => redis.kill(), () => redis.start()],
    ['is restarted in order', () => redis.stop(), () => redis.start()],
    ['is killed, loses its files, and is started', () => redis.kill(), startEmpty],
  ])('does all that was asked for, and each thing once, while Redis %s', async (_, hurt, heal) => {
    const before = await create(MANY / 2);
    await hurt();
    const during = await create(MANY / 4);
    await heal();
    const after = await create(MANY / 4);
    const ids = [...before, ...during, ...after].map(({ id }) => id);
    await eventually('all are started', () => ids.every((id) => bench.calls(id).length > 0), 10);
    await eventually('it is ready again', async () => (await ready()) === 200, 10);
    expect(ids.map((id) => bench.calls(id))).toEqual(ids.map(() => ['start']));
    await removeAll(ids);
  });

  async function startEmpty(): Promise<void> {
    await redis.removeFiles();
    await redis.start();
  }
  function create(count: number): Promise<WorkspaceView[]> {
    return Promise.all(Array.from({ length: count }, () => bench.create()));
  }

  it('answers while Redis is silent, says that it is not ready, and is ready by itself afterwards', async () => {
    expect(await ready()).toBe(200);
    await redis.pause();
    try {
      const { body } = await request<{ detail: string }>(`${bench.app.url}/readyz`);
      expect(body.detail).toContain('the queue on Redis does not answer');
      const begun = performance.now();
      const { id } = await bench.create();
      expect(performance.now() - begun).toBeLessThan(5000);
      await redis.resume();
      await eventually('it is started', () => bench.calls(id).includes('start'), 10);
      await removeAll([id]);
    } finally {
      await redis.resume();
    }
    await eventually('it is ready', async () => (await ready()) === 200, 10);
  });

  it('wakes who waits once Redis is back, for what was told while it was away', async () => {
    const { id } = await bench.create();
    await eventually('it is started', () => bench.calls(id).includes('start'));
    const { runner } = await bench.started(id);
    await runner.start();
    const claimed = runner.claim(30);
    await eventually('it waits', () => bench.app.parts.feed.waiting(id) === 1);
    await redis.kill();
    await bench.api.post(bench.api.path(`/workspaces/${id}/messages`), { text: 'hello' }, 202);
    await redis.start();
    const begun = performance.now();
    expect((await claimed).text).toBe('hello');
    // Earlier than by itself.
    expect(performance.now() - begun).toBeLessThan(10_000);
    await removeAll([id]);
  });

  it('says once that it was lost, and never with the login', () => {
    const lost = log.messages('warn').filter((message) => message.includes('was lost'));
    const back = log.messages('info').filter((message) => message === 'Redis answers again');
    expect(lost.length).toBeGreaterThan(0);
    expect(back.length).toBe(lost.length);
  });
});
