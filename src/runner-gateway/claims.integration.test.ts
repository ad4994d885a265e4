import { Bench } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import type { MessageView } from '../contracts/index.js';
import { WorkspaceFeed } from '../events/index.js';

describe('claiming turns', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const message = async (id: string, messageId: string): Promise<MessageView | undefined> =>
    (await bench.api.messages(id)).find((candidate) => candidate.id === messageId);
  const waiting = (id: string): number => bench.app.parts.feed.waiting(id);
  const cancel = (id: string, messageId: string, expected = 202) =>
    bench.api.post<MessageView>(
      bench.api.path(`/workspaces/${id}/messages/${messageId}/cancel`),
      undefined,
      expected,
    );

  it('gives a turn with all that the runner needs, oldest first, one at a time', async () => {
    const { id, runner, proxy } = await bench.running({ message: 'first' });
    await bench.api.send(id, 'second');
    const first = await runner.claim();
    const [stored] = await bench.api.messages(id);
    expect(first).toMatchObject({
      turnId: stored?.id,
      attempt: 1,
      mode: 'start',
      text: 'first',
      author: { name: bench.owner.name, email: bench.owner.email },
      session: null,
    });
    expect(stored).toMatchObject({ state: 'running', attempts: 1 });
    const { turnId, attemptId } = first;
    await runner.report({ type: 'agent.session', turnId, attemptId, session: 's-1' });
    await proxy.report(proxy.served(await proxy.lease()));
    await runner.report(runner.answer(first, 'done'), runner.finished(first));
    expect(await runner.claim()).toMatchObject({ text: 'second', attempt: 1, session: 's-1' });
  });

  it('names the author by the account at GitHub that they connected, for what is there', async () => {
    const link = (proof: string) =>
      bench.sql(
        `INSERT INTO external_account (id, organization_id, user_id, system, external_id, handle, proof, created_at, updated_at)
         VALUES ($1, $2, $3, 'github', '4711', 'ada-l', $4, now(), now())`,
        [bench.newId(), bench.organization.id, bench.owner.userId, proof],
      );
    const { name, email } = bench.owner;
    const elsewhere = await bench.running({ repository: 'https://git.example/a/b', message: 'x' });
    const first = await bench.running({ message: 'first' });
    expect((await first.runner.claim()).author).toEqual({ name, email });
    await link('authorization');
    const second = await bench.running({ message: 'second' });
    expect((await second.runner.claim()).author).toEqual({
      name,
      email: '4711+ada-l@users.noreply.github.com',
    });
    expect((await elsewhere.runner.claim()).author).toEqual({ name, email });
    await bench.sql('DELETE FROM external_account');
  });

  it('gives nothing when there is nothing, nor before the workspace runs', async () => {
    const { id } = await bench.create({ message: 'hello' });
    const { runner } = await bench.started(id);
    await runner.hello();
    expect((await runner.tryClaim()).status).toBe(204);
    await runner.report({ type: 'workspace.prepared' });
    expect((await runner.tryClaim()).status).toBe(200);
    const other = await bench.running();
    expect((await other.runner.tryClaim()).status).toBe(204);
  });

  it('makes one attempt of ten claims at once', async () => {
    const { id, runner } = await bench.running({ message: 'hello' });
    await bench.api.send(id, 'later');
    const claims = await Promise.all(Array.from({ length: 10 }, () => runner.claim()));
    expect(new Set(claims.map(({ turnId }) => turnId)).size).toBe(1);
    expect(new Set(claims.map(({ attemptId }) => attemptId)).size).toBe(1);
    expect((await bench.api.messages(id)).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['running', 1],
      ['queued', 0],
    ]);
  });

  it('gives the same attempt again when the answer to a claim was lost on its way', async () => {
    const { id, runner } = await bench.running({ message: 'hello' });
    const lost = await runner.claim();
    const again = await runner.claim();
    expect(again).toEqual(lost);
    expect(await message(id, lost.turnId)).toMatchObject({ state: 'running', attempts: 1 });
    expect((await bench.eventsOf(id, 'message.state')).map(({ data }) => data.state)).toEqual([
      'queued',
      'running',
    ]);
  });

  it('lets a successor continue what another runner left, and not ask again', async () => {
    const { id, runner } = await bench.running({ message: 'hello' });
    const left = await runner.claim();
    const { turnId, attemptId } = left;
    await runner.report(
      { type: 'agent.session', turnId, attemptId, session: 's-1' },
      runner.text(left, 'half'),
    );
    bench.app.runtime.crash(id);
    const next = await bench.started(id, 2);
    await next.runner.start();
    const taken = await next.runner.claim();
    expect(taken).toMatchObject({ turnId, attempt: 2, mode: 'continue', session: 's-1' });
    expect(taken.attemptId).not.toBe(attemptId);
    // The answer to that claim may be lost, too.
    expect(await next.runner.claim()).toEqual(taken);
    expect(await message(id, turnId)).toMatchObject({ state: 'running', attempts: 2 });
    // What the first one still says of its attempt is dropped, also through the successor's mouth.
    const { length } = await bench.api.events(id);
    await next.runner.report(
      next.runner.text(left, 'late'),
      next.runner.finished(left, { result: 'canceled' }),
    );
    expect(await bench.api.events(id)).toHaveLength(length);
    expect(await message(id, turnId)).toMatchObject({ state: 'running' });
  });

  it('ends a turn that was canceled while its runner died, and goes on with the next', async () => {
    const { id, runner } = await bench.running({ message: 'first' });
    await bench.api.send(id, 'second');
    const { turnId } = await runner.claim();
    bench.app.runtime.crash(id);
    await cancel(id, turnId);
    const next = await bench.started(id, 2);
    await next.runner.start();
    expect(await next.runner.claim()).toMatchObject({ text: 'second', mode: 'start' });
    expect(await message(id, turnId)).toMatchObject({ state: 'canceled', attempts: 1 });
  });

  it('hands a message over to a runner that waits for one, at once', async () => {
    const { id, runner } = await bench.running();
    const waits = runner.claim(25);
    await eventually('it waits', () => waiting(id) === 1);
    const sent = await bench.api.send(id, 'now');
    expect(await waits).toMatchObject({ turnId: sent.id, text: 'now' });
    expect(waiting(id)).toBe(0);
  });

  it('lets a waiting runner go at once when its workspace sleeps, or a successor speaks for it', async () => {
    const { id, runner } = await bench.running();
    const waits = [runner.tryClaim(25), runner.commands(25)] as const;
    await eventually('both wait', () => waiting(id) === 2);
    bench.app.runtime.crash(id);
    const next = await bench.started(id, 2);
    await next.runner.hello();
    expect((await waits[0]).status).toBe(401);
    expect((await waits[1]).status).toBe(401);
    const asleep = await bench.running();
    const told = asleep.runner.commands(25);
    await eventually('it waits', () => waiting(asleep.id) === 1);
    await bench.hibernate(asleep.id);
    expect((await told).body).toEqual({ cancel: [], stop: true });
  });

  it('loses no turn to a runner that hangs up while it waits', async () => {
    const { id, runner } = await bench.running();
    const hangUp = new AbortController();
    const gone = fetch(`${bench.app.url}/internal/v1/runner/claim`, {
      method: 'POST',
      signal: hangUp.signal,
      headers: { authorization: `Bearer ${runner.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ runnerId: runner.runnerId, waitSeconds: 25 }),
    }).catch((error: unknown) => error);
    await eventually('it waits', () => waiting(id) === 1);
    hangUp.abort();
    await gone;
    await eventually('nobody waits for it', () => waiting(id) === 0);
    const sent = await bench.api.send(id, 'hello');
    expect(await message(id, sent.id)).toMatchObject({ state: 'queued' });
    expect(await runner.claim()).toMatchObject({ turnId: sent.id, attempt: 1 });
  });

  describe('cancel', () => {
    it('takes a queued message back at once', async () => {
      const { id, runner } = await bench.running();
      const sent = await bench.api.send(id, 'no');
      expect((await cancel(id, sent.id)).body).toMatchObject({ state: 'canceled', attempts: 0 });
      expect((await runner.tryClaim()).status).toBe(204);
      expect((await cancel(id, sent.id, 409)).body).toMatchObject({ code: 'not-cancelable' });
    });

    it('tells the runner at once, and only once, and ends when the runner says so', async () => {
      const { id, runner } = await bench.running({ message: 'work' });
      const turn = await runner.claim();
      const told = runner.commands(25);
      await eventually('it waits', () => waiting(id) === 1);
      expect((await cancel(id, turn.turnId)).body).toMatchObject({ state: 'running' });
      expect((await told).body).toEqual({ cancel: [turn.turnId], stop: false });
      expect((await runner.commands(0, [turn.turnId])).body).toEqual({ cancel: [], stop: false });
      await cancel(id, turn.turnId);
      await runner.report(runner.finished(turn, { result: 'canceled' }));
      expect(await message(id, turn.turnId)).toMatchObject({ state: 'canceled' });
      expect((await runner.commands()).body.cancel).toEqual([]);
      await cancel(id, turn.turnId, 409);
    });

    it('is too late for an agent that was faster', async () => {
      const { id, runner, proxy } = await bench.running({ message: 'work' });
      const turn = await runner.claim();
      await proxy.report(proxy.served(await proxy.lease()));
      await cancel(id, turn.turnId);
      await runner.report(runner.finished(turn));
      expect(await message(id, turn.turnId)).toMatchObject({ state: 'completed' });
    });

    it('knows no message of an agent, of another workspace or of nobody', async () => {
      const { id, runner } = await bench.running({ message: 'work' });
      const other = await bench.running({ message: 'work' });
      const turn = await runner.claim();
      await runner.report(runner.answer(turn, 'the answer'));
      const answer = (await bench.api.messages(id)).find(({ author }) => author.type === 'agent');
      for (const messageId of [answer?.id ?? '', bench.newId()]) await cancel(id, messageId, 404);
      await cancel(other.id, turn.turnId, 404);
    });

    it('of a queued message races its claim: one of both happens, never half of each', async () => {
      const { id, runner } = await bench.running();
      for (let round = 0; round < 5; round++) {
        const sent = await bench.api.send(id, `round ${round}`);
        const [claimed, canceled] = await Promise.all([runner.tryClaim(), cancel(id, sent.id)]);
        if (claimed.status === 204) {
          expect(canceled.body.state).toBe('canceled');
          continue;
        }
        expect(canceled.body.state).toBe('running');
        expect((await runner.commands()).body.cancel).toEqual([sent.id]);
        await runner.report(runner.finished(claimed.body, { result: 'canceled' }));
        expect((await message(id, sent.id))?.state).toBe('canceled');
      }
    });
  });
});

it('ends all waiting when Berth stops', async () => {
  const last = await Bench.start();
  const { id, runner } = await last.running();
  const waits = [runner.tryClaim(25), runner.commands(25)] as const;
  const feed = last.app.app.get(WorkspaceFeed, { strict: false });
  await eventually('both wait', () => feed.waiting(id) === 2);
  const closing = last.close();
  expect((await waits[0]).status).toBe(204);
  expect((await waits[1]).body).toEqual({ cancel: [], stop: false });
  await closing;
});
