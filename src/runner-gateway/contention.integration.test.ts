import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import type { ClaimedTurn } from '../contracts/index.js';

const ROUNDS = 3;

/**
 * Everything at once on one workspace: people who write, cancel and read, a runner that works, a proxy that reports, workers that reconcile. All take the
 * workspace's row first and so never wait for each other in a circle; a deadlock would show as a 500.
 */
describe('many at once on one workspace', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const deadlocks = async (): Promise<number> => {
    const [row] = await bench.sql(
      'SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = current_database()',
    );
    return row?.n as number;
  };

  async function people({ id }: PlayedWorkspace): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const sent = await bench.api.send(id, `message ${round}`);
      const path = bench.api.path(`/workspaces/${id}/messages/${sent.id}/cancel`);
      if (round % 3 === 0) expect([202, 409]).toContain((await bench.api.call('POST', path)).status);
    }
  }

  async function readers({ id }: PlayedWorkspace): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      for (const rest of ['', '/messages', '/operations', '/events']) {
        await bench.api.get(bench.api.path(`/workspaces/${id}${rest}`));
      }
    }
  }

  async function workers({ id }: PlayedWorkspace): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) await bench.reconcile(id);
  }

  async function proxies({ proxy }: PlayedWorkspace): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const lease = await proxy.lease();
      await proxy.report(proxy.served(lease), proxy.used(lease));
    }
  }

  async function work({ runner, proxy }: PlayedWorkspace, turn: ClaimedTurn): Promise<void> {
    const lease = await proxy.lease();
    const { body: commands } = await runner.commands();
    await runner.report(runner.text(turn, 'a'), runner.text(turn, 'b'), runner.answer(turn, 'done'));
    await proxy.report(proxy.served(lease));
    const canceled = commands.cancel.includes(turn.turnId);
    await runner.report(runner.finished(turn, { result: canceled ? 'canceled' : 'completed' }));
  }

  it('ends every message once, with events without a gap, and no deadlock', async () => {
    const played = await bench.running();
    const { id, runner } = played;
    const others = { done: false };
    const runnerLoop = (async () => {
      while (!others.done || (await bench.api.messages(id)).some(({ state }) => state === 'queued')) {
        const { status, body } = await runner.tryClaim(0);
        if (status === 200) await work(played, body);
        else expect(status).toBe(204);
      }
    })();
    await Promise.all([people(played), people(played), readers(played), workers(played), proxies(played)]);
    others.done = true;
    await runnerLoop;
    const asked = (await bench.api.messages(id)).filter(({ author }) => author.type === 'user');
    expect(asked).toHaveLength(ROUNDS * 2);
    for (const { state } of asked) expect(['completed', 'canceled']).toContain(state);
    const events = await bench.api.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
    for (const { id: messageId, state } of asked) {
      const told = events.filter(
        (event) => event.type === 'message.state' && event.data.messageId === messageId,
      );
      expect(told.at(-1)?.data.state).toBe(state);
      expect(told.filter(({ data }) => data.state === 'running').length).toBeLessThanOrEqual(1);
    }
    expect(await deadlocks()).toBe(0);
  });

  it('sleeps, wakes and goes in the middle of it: each call is answered, none with an error of ours', async () => {
    const played = await bench.running();
    const { id, runner, proxy } = played;
    const statuses = new Set<number>();
    const note = async (call: Promise<{ status: number }>): Promise<void> =>
      void statuses.add((await call).status);
    const path = (rest: string): string => bench.api.path(`/workspaces/${id}${rest}`);
    const people = (async () => {
      for (let round = 0; round < 3; round++) {
        await note(bench.api.call('POST', path('/hibernate')));
        await note(bench.api.call('POST', path('/messages'), { text: 'hello' }));
        await note(bench.api.call('POST', path('/wake')));
        await note(bench.api.call('GET', path('/messages')));
      }
      await note(bench.api.call('DELETE', path('')));
    })();
    const machines = (async () => {
      for (let round = 0; round < 5; round++) {
        await note(runner.hello());
        await note(runner.tryClaim());
        await note(runner.send([{ n: 1, type: 'workspace.prepared' }]));
        await note(proxy.tryLease());
      }
    })();
    const workers = (async () => {
      for (let round = 0; round < 5; round++) await Promise.all([bench.reconcile(id), bench.reconcile(id)]);
    })();
    await Promise.all([people, machines, workers]);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
    expect([...statuses].filter((status) => status >= 500)).toEqual([]);
    expect(await bench.app.runtime.inspect(id)).toBe('absent');
    await eventually('nobody waits', () => bench.app.parts.feed.waiting(id) === 0);
    expect(await deadlocks()).toBe(0);
  });
});
