import { randomUUID } from 'node:crypto';
import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { Fact } from '../../test/support/machines.js';
import type { ClaimedTurn, MessageView, RunnerItem } from '../contracts/index.js';

describe('reports of a runner', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  async function atWork(): Promise<PlayedWorkspace & { turn: ClaimedTurn }> {
    const played = await bench.running({ message: 'work' });
    return { ...played, turn: await played.runner.claim() };
  }
  const texts = async (id: string): Promise<unknown[]> =>
    (await bench.eventsOf(id, 'agent.text')).map(({ data }) => data.text);
  const asked = async (id: string): Promise<MessageView | undefined> => (await bench.api.messages(id))[0];

  it('become events of the message, in order', async () => {
    const { id, runner, turn } = await atWork();
    const { turnId, attemptId } = turn;
    const tool = { type: 'agent.tool', turnId, attemptId, toolId: 't1', name: 'Bash' } as const;
    await runner.report(
      runner.text(turn, 'a'),
      { ...tool, state: 'started', summary: 'ls' },
      { ...tool, state: 'completed' },
      { type: 'git.pushed', turnId, attemptId, branch: 'berth/x', commit: 'c' },
    );
    const [text, started, completed, pushed] = (await bench.api.events(id)).slice(-4);
    expect(text).toMatchObject({ type: 'agent.text', data: { messageId: turnId, text: 'a' } });
    expect(started?.data).toEqual({
      messageId: turnId,
      attempt: 1,
      toolId: 't1',
      name: 'Bash',
      state: 'started',
      summary: 'ls',
    });
    expect(completed).toMatchObject({ type: 'agent.tool', data: { state: 'completed' } });
    expect(pushed).toMatchObject({
      type: 'git.pushed',
      data: { messageId: turnId, branch: 'berth/x', commit: 'c' },
    });
  });

  it('count once: the same batch again, overlapping batches, and ten deliveries at once', async () => {
    const { id, runner, turn } = await atWork();
    const first = runner.number(runner.text(turn, '1'), runner.text(turn, '2'));
    const n = runner.n;
    expect((await runner.send(first)).body.acknowledged).toBe(n);
    expect((await runner.send(first)).body.acknowledged).toBe(n);
    const overlap = [...first, ...runner.number(runner.text(turn, '3'))];
    expect((await runner.send(overlap)).body.acknowledged).toBe(n + 1);
    const next = runner.number(runner.text(turn, '4'), runner.text(turn, '5'));
    const answers = await Promise.all(Array.from({ length: 10 }, () => runner.send(next)));
    expect(answers.map(({ body }) => body.acknowledged)).toEqual(Array<number>(10).fill(n + 3));
    expect(await texts(id)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('wait for what is missing before them', async () => {
    const { id, runner, turn } = await atWork();
    const n = runner.n;
    const [one, two, three, four] = runner.number(
      ...['1', '2', '3', '4'].map((text): Fact => runner.text(turn, text)),
    ) as [RunnerItem, RunnerItem, RunnerItem, RunnerItem];
    expect((await runner.send([two])).body).toEqual({ acknowledged: n, retryAfterSeconds: 0 });
    expect((await runner.send([one, three])).body.acknowledged).toBe(n + 1);
    expect((await runner.send([four, three, two])).body.acknowledged).toBe(n + 1);
    expect((await runner.send([two, three, four])).body.acknowledged).toBe(n + 4);
    expect(await texts(id)).toEqual(['1', '2', '3', '4']);
  });

  it('are stored all or none: a batch that breaks leaves nothing behind', async () => {
    const { id, runner, turn } = await atWork();
    const n = runner.n;
    const batch = runner.number(runner.text(turn, '1'), runner.text(turn, '2'));
    await bench.sql(
      'ALTER TABLE runner_cursor ADD CONSTRAINT broken CHECK (acknowledged <= ' + String(n) + ') NOT VALID',
    );
    expect((await runner.send(batch)).status).toBe(500);
    await bench.sql('ALTER TABLE runner_cursor DROP CONSTRAINT broken');
    expect(await texts(id)).toEqual([]);
    expect((await runner.send(batch)).body.acknowledged).toBe(n + 2);
    expect(await texts(id)).toEqual(['1', '2']);
  });

  it('are kept whatever an agent saw: NUL, and half a character at which a summary was cut', async () => {
    const { id, runner, turn } = await atWork();
    const { turnId, attemptId } = turn;
    const seen = 'A=1\0B=2 \ud83d';
    await runner.report(
      runner.text(turn, seen),
      { type: 'agent.tool', turnId, attemptId, toolId: 't', name: seen, state: 'completed', summary: seen },
      { type: 'git.failed', turnId, attemptId, code: 'git.failed', message: seen },
      { type: 'agent.session', turnId, attemptId, session: seen },
      runner.answer(turn, seen),
      runner.finished(turn, { result: 'failed', code: 'agent-crashed', message: seen }),
    );
    const kept = 'A=1␀B=2 �';
    expect(await texts(id)).toEqual([kept]);
    const [message, answer] = await bench.api.messages(id);
    expect(message?.error).toEqual({ code: 'agent-crashed', message: kept });
    expect(answer?.text).toBe(kept);
  });

  it('of another workspace’s turn, or of no turn, are dropped', async () => {
    const mine = await atWork();
    const other = await atWork();
    await mine.runner.report(
      mine.runner.text(other.turn, 'forged'),
      mine.runner.answer(other.turn, 'forged'),
      mine.runner.finished(other.turn, { result: 'failed', code: 'x', message: 'forged' }),
      mine.runner.text({ ...mine.turn, turnId: randomUUID() }, 'lost'),
      mine.runner.text({ ...mine.turn, attemptId: randomUUID() }, 'lost'),
    );
    for (const { id } of [mine, other]) {
      expect(await texts(id)).toEqual([]);
      expect(await bench.api.messages(id)).toHaveLength(1);
      expect(await asked(id)).toMatchObject({ state: 'running' });
    }
  });

  it('of a runner that was replaced are refused, and its numbers are its own', async () => {
    const { id, runner, turn } = await atWork();
    await runner.report(runner.text(turn, '1'));
    bench.app.runtime.crash(id);
    const next = await bench.started(id, 2);
    await next.runner.start();
    expect((await runner.send(runner.number(runner.text(turn, '2')))).status).toBe(401);
    const taken = await next.runner.claim();
    await next.runner.report(next.runner.text(taken, '3'));
    expect(await texts(id)).toEqual(['1', '3']);
  });

  it('are refused whole when one is malformed, and when there are too many', async () => {
    const { id, runner, turn } = await atWork();
    const n = runner.n;
    const [good] = runner.number(runner.text(turn, '1')) as [RunnerItem];
    for (const bad of [
      { ...good, n: 0 },
      { ...good, n: 1.5 },
      { ...good, type: 'agent.unknown' },
      { ...good, turnId: 'x' },
      { ...good, extra: 1 },
      { n: 1 },
    ]) {
      expect((await runner.send([good, bad as RunnerItem])).status).toBe(422);
    }
    expect((await runner.send([])).status).toBe(422);
    expect(
      (await runner.send(Array.from({ length: 201 }, (_, at) => ({ ...good, n: n + 1 + at })))).status,
    ).toBe(422);
    expect(await texts(id)).toEqual([]);
  });

  it('of a failure after the tree was there, in one batch, are not lost', async () => {
    const { id, runner } = await bench.started((await bench.create()).id);
    await runner.hello();
    await runner.report(
      { type: 'workspace.prepared' },
      { type: 'workspace.failed', code: 'no-space', message: 'No space.' },
      { type: 'workspace.failed', code: 'no-space', message: 'Again.' },
      { type: 'workspace.prepared' },
    );
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'failed', stateReason: 'No space.' });
    expect(await bench.toldStates(id)).toEqual(['provisioning', 'running', 'failed']);
  });

  describe('the end of a turn', () => {
    it('waits for the receipt, and what comes after it waits too', async () => {
      const { id, runner, proxy, turn } = await atWork();
      const n = runner.n;
      const items = runner.number(
        runner.answer(turn, 'done'),
        runner.finished(turn),
        runner.text(turn, 'after'),
      );
      const early = (await runner.send(items)).body;
      expect(early.acknowledged).toBe(n + 1);
      expect(early.retryAfterSeconds).toBeGreaterThan(0);
      expect(await asked(id)).toMatchObject({ state: 'running' });
      // The answer is there before the turn's end is.
      expect((await bench.api.messages(id)).map(({ text }) => text)).toEqual(['work', 'done']);

      await proxy.report(proxy.served(await proxy.lease()));
      expect((await runner.send(items.slice(1))).body).toEqual({ acknowledged: n + 3, retryAfterSeconds: 0 });
      expect(await asked(id)).toMatchObject({ state: 'completed' });
      expect(await texts(id)).toEqual([]);
    });

    it('fails what never reached the model, once the receipt would be there', async () => {
      const { id, runner, turn } = await atWork();
      const n = runner.n;
      const [end] = runner.number(runner.finished(turn)) as [Extract<RunnerItem, { type: 'turn.finished' }>];
      expect((await runner.send([{ ...end, ageSeconds: 9.9 }])).body.acknowledged).toBe(n);
      expect((await runner.send([{ ...end, ageSeconds: 10 }])).body.acknowledged).toBe(n + 1);
      expect(await asked(id)).toMatchObject({ state: 'failed', error: { code: 'model-not-reached' } });
    });

    it('carries a failure’s code and sentence, at once and without a receipt', async () => {
      const { id, runner, turn } = await atWork();
      const error = { code: 'agent-quota', message: 'No quota left.' };
      await runner.report(runner.finished(turn, { result: 'failed', ...error }));
      expect(await asked(id)).toMatchObject({ state: 'failed', error });
      expect((await bench.eventsOf(id, 'message.state')).at(-1)?.data).toMatchObject({
        state: 'failed',
        error,
      });
    });

    it('is not canceled unless a person asked for it', async () => {
      const { id, runner, turn } = await atWork();
      await runner.report(runner.finished(turn, { result: 'canceled' }));
      expect(await asked(id)).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
    });

    it('drops what is said of the turn afterwards, but not what was published', async () => {
      const { id, runner, turn } = await atWork();
      const { turnId, attemptId } = turn;
      await runner.report(
        runner.finished(turn, { result: 'failed', code: 'x', message: 'x' }),
        runner.text(turn, 'late'),
        runner.answer(turn, 'late'),
        { type: 'git.pushed', turnId, attemptId, branch: 'berth/x', commit: 'c' },
        runner.finished(turn, { result: 'failed', code: 'y', message: 'y' }),
      );
      expect(await asked(id)).toMatchObject({ state: 'failed', error: { code: 'x' } });
      expect(await bench.api.messages(id)).toHaveLength(1);
      expect((await bench.api.events(id)).slice(-2).map(({ type }) => type)).toEqual([
        'message.state',
        'git.pushed',
      ]);
    });

    it('stores one answer, although the attempt that continued says it again', async () => {
      const { id, runner, turn } = await atWork();
      await runner.report(runner.answer(turn, 'the answer'));
      bench.app.runtime.crash(id);
      const next = await bench.started(id, 2);
      await next.runner.start();
      const taken = await next.runner.claim();
      await next.proxy.report(next.proxy.served(await next.proxy.lease()));
      await next.runner.report(next.runner.answer(taken, 'the answer, again'), next.runner.finished(taken));
      const messages = await bench.api.messages(id);
      expect(messages.map(({ seq, author, text, state }) => [seq, author.type, text, state])).toEqual([
        [1, 'user', 'work', 'completed'],
        [2, 'agent', 'the answer', 'completed'],
      ]);
    });
  });

  it('keep the workspace awake as long as the agent works', async () => {
    const { id, runner, turn } = await atWork();
    const before = (await bench.api.workspace(id)).lastActivityAt;
    bench.clock.advance(60_000);
    await runner.report(runner.text(turn, 'still here'));
    expect(Date.parse((await bench.api.workspace(id)).lastActivityAt)).toBe(Date.parse(before) + 60_000);
  });
});
