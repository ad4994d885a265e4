import { Bench, API_KEY, type PlayedWorkspace } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import type { ClaimedTurn, Lease, MessageView } from '../contracts/index.js';

const unauthenticated = {
  result: 'failed',
  code: 'agent-authentication',
  message: 'API Error: 401 {"error":"sk-ant-secret"}',
} as const;
const LAST_WORD = "Couldn't authenticate with Claude after multiple attempts.";
/** Longer than any pause between two attempts. */
const PAUSE_MS = 11_000;

describe('a login that is refused in the middle of a turn', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  async function atWork(): Promise<PlayedWorkspace & { turn: ClaimedTurn }> {
    // A key that was refused in the test before serves no more.
    await bench.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const played = await bench.running({ message: 'work' });
    return { ...played, turn: await played.runner.claim() };
  }
  /** A lease of the next generation: the credential is replaced. */
  async function renewed({ proxy }: PlayedWorkspace): Promise<Lease> {
    await bench.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    return proxy.lease();
  }
  const asked = async (id: string, messageId?: string): Promise<MessageView | undefined> =>
    (await bench.api.messages(id)).find((each) => messageId === undefined || each.id === messageId);
  /** What was told of turns and logins, in order. */
  const told = async (id: string): Promise<string[]> =>
    (await bench.api.events(id)).flatMap(({ type, data }) => {
      if (type === 'authentication.state') return [`login ${String(data.state)}`];
      return type === 'message.state' && data.inReplyTo === undefined
        ? [`${String(data.state)} ${String(data.attempts)}`]
        : [];
    });
  const authentication = async (id: string): Promise<string> =>
    (await bench.api.workspace(id)).authentication;
  const cancel = (id: string, messageId: string) =>
    bench.api.post(bench.api.path(`/workspaces/${id}/messages/${messageId}/cancel`), undefined, 202);
  /** Ends the attempt for lack of a login, and lets the pause pass. */
  async function refusedAttempt({ runner }: PlayedWorkspace, turn: ClaimedTurn): Promise<void> {
    await runner.report(runner.finished(turn, unauthenticated));
    bench.clock.advance(PAUSE_MS);
  }

  it('is seen as reauthenticating, and as restored once another one serves', async () => {
    const played = await atWork();
    const { id, runner, proxy, turn } = played;
    const old = await renewed(played);
    await proxy.report(proxy.served(old));
    await proxy.report(proxy.refused(old));
    expect(await asked(id)).toMatchObject({ state: 'reauthenticating', attempts: 1 });
    expect(await authentication(id)).toBe('reauthenticating');
    // What the agent says meanwhile is kept.
    await runner.report(runner.text(turn, 'still here'));
    const fresh = await renewed(played);
    await proxy.report(proxy.served(fresh));
    expect(await authentication(id)).toBe('ok');
    await runner.report(runner.answer(turn, 'done'), runner.finished(turn));
    expect(await asked(id)).toMatchObject({ state: 'completed', attempts: 1 });
    expect(await told(id)).toEqual([
      'queued 0',
      'running 1',
      'login reauthenticating',
      'reauthenticating 1',
      'login restored',
      'running 1',
      'completed 1',
    ]);
    const [, login] = await bench.eventsOf(id, 'authentication.state');
    expect(login?.data).toEqual({
      agent: 'claude',
      state: 'restored',
      message: 'Claude is authenticated again',
    });
    expect(await bench.eventsOf(id, 'agent.text')).toHaveLength(1);
  });

  it('tells nothing twice, whatever is delivered twice, in parallel or late', async () => {
    const played = await atWork();
    const { id, proxy } = played;
    const old = await renewed(played);
    const refusal = proxy.refused(old);
    // Parallel calls of one agent, and a report whose answer was lost.
    await Promise.all([refusal, proxy.refused(old), proxy.refused(old)].map((item) => proxy.report(item)));
    await proxy.report(refusal);
    // A call that was under way with the refused one, told late, is no proof that all is well again.
    await proxy.report(proxy.served(old));
    expect(await authentication(id)).toBe('reauthenticating');
    const fresh = await renewed(played);
    await proxy.report(proxy.served(fresh), refusal, proxy.refused(old), proxy.served(fresh));
    await proxy.report(refusal, proxy.served(old));
    expect((await told(id)).slice(2)).toEqual([
      'login reauthenticating',
      'reauthenticating 1',
      'login restored',
      'running 1',
    ]);
    // The newer one can be refused as well.
    await proxy.report(proxy.refused(fresh));
    expect(await asked(id)).toMatchObject({ state: 'reauthenticating' });
  });

  it('does not take an older generation’s refusal for the next turn’s', async () => {
    const played = await atWork();
    const { id, runner, proxy, turn } = played;
    const old = await renewed(played);
    const fresh = await renewed(played);
    await proxy.report(proxy.served(fresh));
    await runner.report(runner.finished(turn));
    await bench.api.send(id, 'more');
    await runner.claim();
    await proxy.report(proxy.refused(old));
    expect(await authentication(id)).toBe('ok');
    expect(await bench.eventsOf(id, 'authentication.state')).toEqual([]);
  });

  it('completes by way of running when the agent is faster than the proxy’s report', async () => {
    const played = await atWork();
    const { id, runner, proxy, turn } = played;
    const lease = await renewed(played);
    await proxy.report(proxy.served(lease), proxy.refused(lease));
    await runner.report(runner.answer(turn, 'done'), runner.finished(turn));
    expect((await told(id)).slice(2)).toEqual([
      'login reauthenticating',
      'reauthenticating 1',
      'login restored',
      'running 1',
      'completed 1',
    ]);
    const { length } = await bench.api.events(id);
    await proxy.report(proxy.served(await renewed(played)));
    expect(await bench.api.events(id)).toHaveLength(length);
  });

  describe('and in the agent, too', () => {
    it('is tried three times with growing pauses, then people are told, without the provider’s words', async () => {
      const played = await atWork();
      const { id, runner, turn } = played;
      await runner.report(runner.text(turn, 'half an ans'), runner.finished(turn, unauthenticated));
      expect(await asked(id)).toMatchObject({ state: 'reauthenticating', attempts: 1 });
      const pauses: number[] = [];
      const pause = async (): Promise<number> => {
        const [row] = await bench.sql('SELECT retry_at FROM turn WHERE id = $1', [turn.turnId]);
        return (row?.retry_at as Date).getTime() - bench.clock.now().getTime();
      };
      pauses.push(await pause());
      bench.clock.advance(PAUSE_MS);
      const second = await runner.claim();
      expect(second).toMatchObject({ turnId: turn.turnId, attempt: 2, mode: 'replay', text: 'work' });
      expect(second.attemptId).not.toBe(turn.attemptId);
      expect(await runner.claim()).toEqual(second);
      await runner.report(runner.finished(second, unauthenticated));
      pauses.push(await pause());
      bench.clock.advance(PAUSE_MS);
      const third = await runner.claim();
      expect(third).toMatchObject({ attempt: 3, mode: 'replay' });
      await runner.report(runner.finished(third, unauthenticated));
      expect(await asked(id)).toMatchObject({
        state: 'failed',
        attempts: 3,
        error: { code: 'authentication-failed', message: LAST_WORD },
      });
      expect(await authentication(id)).toBe('failed');
      expect(pauses[0]).toBeGreaterThanOrEqual(2000);
      expect(pauses[1]).toBeGreaterThanOrEqual(8000);
      expect(await told(id)).toEqual([
        'queued 0',
        'running 1',
        'login reauthenticating',
        'reauthenticating 1',
        'reauthenticating 2',
        'reauthenticating 3',
        'login failed',
        'failed 3',
      ]);
      const seen = JSON.stringify([await bench.api.events(id), await bench.api.messages(id)]);
      expect(seen).not.toMatch(/\b401\b|sk-ant-secret/);
      // One bubble: what was streamed of an attempt that failed is no answer, and its events say which attempt it was.
      expect(await bench.api.messages(id)).toHaveLength(1);
      expect((await bench.eventsOf(id, 'agent.text')).map(({ data }) => data.attempt)).toEqual([1]);
    });

    it('opens the chat again: the next message cuts off what was never answered, and a login that serves is told', async () => {
      const played = await atWork();
      const { id, runner, proxy } = played;
      let { turn } = played;
      const { turnId, attemptId } = turn;
      await runner.report({ type: 'agent.session', turnId, attemptId, session: 's-1' });
      for (let attempt = 1; attempt <= 3; attempt++) {
        await refusedAttempt(played, turn);
        if (attempt < 3) turn = await runner.claim();
      }
      const next = await bench.api.send(id, 'once more');
      turn = await runner.claim();
      expect(turn).toMatchObject({
        turnId: next.id,
        mode: 'replay',
        session: 's-1',
        point: null,
        attempt: 1,
      });
      expect(await authentication(id)).toBe('failed');
      await proxy.report(proxy.served(await renewed(played)));
      expect(await authentication(id)).toBe('ok');
      await runner.report(runner.answer(turn, 'done'), runner.finished(turn));
      expect((await told(id)).slice(-5)).toEqual([
        'failed 3',
        'queued 0',
        'running 1',
        'login restored',
        'completed 1',
      ]);
      await bench.api.send(id, 'and so on');
      expect(await runner.claim()).toMatchObject({ mode: 'start' });
    });

    it('is not asked again once a tool began, in whichever attempt', async () => {
      const played = await atWork();
      const { id, runner, proxy, turn } = played;
      await refusedAttempt(played, turn);
      const second = await runner.claim();
      const { turnId, attemptId } = second;
      await runner.report({
        type: 'agent.tool',
        turnId,
        attemptId,
        toolId: '1',
        name: 'Bash',
        state: 'started',
      });
      await refusedAttempt(played, second);
      const third = await runner.claim();
      expect(third).toMatchObject({ attempt: 3, mode: 'continue' });
      await proxy.report(proxy.served(await renewed(played)));
      expect(await asked(id)).toMatchObject({ state: 'running', attempts: 3 });
      await runner.report(runner.answer(third, 'done'), runner.finished(third));
      expect(await asked(id)).toMatchObject({ state: 'completed', attempts: 3 });
      expect(await bench.api.messages(id)).toHaveLength(2);
    });

    it('cuts the session where it was good last, and nowhere in another session', async () => {
      const played = await atWork();
      const { id, runner, proxy, turn } = played;
      const session = ({ turnId, attemptId }: ClaimedTurn, name: string) =>
        ({ type: 'agent.session', turnId, attemptId, session: name }) as const;
      await runner.report(session(turn, 's-1'));
      await proxy.report(proxy.served(await renewed(played)));
      await runner.report(runner.answer(turn, 'done'), {
        ...{ type: 'turn.finished', turnId: turn.turnId, attemptId: turn.attemptId, ageSeconds: 0 },
        outcome: { result: 'completed' },
        point: 'p-1',
      });
      await bench.api.send(id, 'more');
      const next = await runner.claim();
      expect(next).toMatchObject({ mode: 'start', session: 's-1', point: 'p-1' });
      await runner.report(session(next, 's-1'));
      await refusedAttempt(played, next);
      const replay = await runner.claim();
      expect(replay).toMatchObject({ mode: 'replay', session: 's-1', point: 'p-1' });
      // The session was lost, and a new one begun.
      await runner.report(session(replay, 's-2'));
      await refusedAttempt(played, replay);
      expect(await runner.claim()).toMatchObject({ mode: 'continue', session: 's-2', point: null });
    });

    it('keeps the pause, also for a runner that comes after', async () => {
      const { id, runner, turn } = await atWork();
      await runner.report(runner.finished(turn, unauthenticated));
      bench.app.runtime.crash(id);
      const next = await bench.started(id, 2);
      await next.runner.start();
      const claim = next.runner.tryClaim(25);
      await eventually('it waits', () => bench.app.parts.feed.waiting(id) > 0);
      expect(await asked(id)).toMatchObject({ state: 'reauthenticating', attempts: 1 });
      bench.clock.advance(PAUSE_MS);
      // Whatever happens in the workspace has the waiting one look.
      const later = await bench.api.send(id, 'later');
      expect((await claim).body).toMatchObject({ turnId: turn.turnId, attempt: 2, mode: 'replay' });
      expect(await asked(id, later.id)).toMatchObject({ state: 'queued' });
    });

    it('is continued and not asked again when the runner of a replay was killed', async () => {
      const played = await atWork();
      const { id, turn } = played;
      await refusedAttempt(played, turn);
      const replay = await played.runner.claim();
      bench.app.runtime.crash(id);
      const next = await bench.started(id, 2);
      await next.runner.start();
      const taken = await next.runner.claim();
      expect(taken).toMatchObject({ attempt: 3, mode: 'continue' });
      // Late words of the killed one change nothing.
      await next.runner.report(next.runner.finished(replay, unauthenticated));
      expect(await asked(id)).toMatchObject({ state: 'reauthenticating', attempts: 3 });
      // Two of its attempts had no login; the one that was lost is none of them.
      await refusedAttempt(next, taken);
      expect(await next.runner.claim()).toMatchObject({ attempt: 4, mode: 'continue' });
    });

    it('takes the same end delivered twice for one', async () => {
      const { id, runner, turn } = await atWork();
      const items = runner.number(runner.finished(turn, unauthenticated));
      await Promise.all([runner.send(items), runner.send(items)]);
      await runner.report(runner.finished(turn, unauthenticated));
      const [row] = await bench.sql('SELECT refused_attempts FROM turn WHERE id = $1', [turn.turnId]);
      expect(row?.refused_attempts).toBe(1);
      expect((await told(id)).slice(2)).toEqual(['login reauthenticating', 'reauthenticating 1']);
    });
  });

  describe('cancel', () => {
    it('interrupts the agent that waits for a login', async () => {
      const played = await atWork();
      const { id, runner, proxy, turn } = played;
      await proxy.report(proxy.refused(await renewed(played)));
      await cancel(id, turn.turnId);
      expect((await runner.commands()).body.cancel).toEqual([turn.turnId]);
      await runner.report(runner.finished(turn, { result: 'canceled' }));
      expect(await asked(id)).toMatchObject({ state: 'canceled' });
      expect(await authentication(id)).toBe('ok');
      expect((await told(id)).slice(2)).toEqual([
        'login reauthenticating',
        'reauthenticating 1',
        'login restored',
        'canceled 1',
      ]);
    });

    it('ends a turn between two attempts at once, and the waiting runner goes on with the next', async () => {
      const { id, runner, turn } = await atWork();
      const next = await bench.api.send(id, 'next');
      await runner.report(runner.finished(turn, unauthenticated));
      const claim = runner.tryClaim(25);
      await eventually('it waits', () => bench.app.parts.feed.waiting(id) > 0);
      await cancel(id, turn.turnId);
      expect((await claim).body).toMatchObject({ turnId: next.id, attempt: 1 });
      expect(await asked(id)).toMatchObject({ state: 'canceled', attempts: 1 });
      expect(await authentication(id)).toBe('ok');
      const [, login] = await bench.eventsOf(id, 'authentication.state');
      expect(login?.data).toEqual({ agent: 'claude', state: 'restored' });
    });

    it('stands against the end of an attempt that comes at the same time', async () => {
      const { id, runner, turn } = await atWork();
      await cancel(id, turn.turnId);
      await runner.report(runner.finished(turn, unauthenticated));
      expect(await asked(id)).toMatchObject({ state: 'canceled' });
      expect(await bench.eventsOf(id, 'authentication.state')).toEqual([]);
    });
  });

  it.each(['waiting for its proxy', 'between two attempts'])(
    'ends with a workspace that sleeps, fails or goes: %s',
    async (place) => {
      for (const how of ['hibernate', 'fail', 'delete'] as const) {
        const played = await atWork();
        const { id, runner, proxy, turn } = played;
        if (place === 'between two attempts') await runner.report(runner.finished(turn, unauthenticated));
        else await proxy.report(proxy.refused(await renewed(played)));
        if (how === 'delete') {
          await bench.delete(id);
          await bench.reconcile(id);
          expect(await bench.state(id)).toBe('gone');
          continue;
        }
        if (how === 'fail') await runner.report({ type: 'workspace.failed', code: 'x', message: 'No disk.' });
        else await bench.hibernate(id);
        expect(await asked(id)).toMatchObject({ state: how === 'fail' ? 'failed' : 'canceled' });
        expect(await authentication(id)).toBe('ok');
      }
    },
  );
});
