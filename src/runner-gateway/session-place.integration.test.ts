import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { Fact } from '../../test/support/machines.js';
import type { ClaimedTurn } from '../contracts/index.js';

/** Longer than any pause between two attempts. */
const PAUSE_MS = 11_000;

/** What is cut off an agent's session when a login is refused, by what became of the turn before. */
describe('a session that was good up to a turn before', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  const BASH = { type: 'agent.tool', toolId: '1', name: 'Bash', state: 'started' } as const;
  const UNAUTHENTICATED = { result: 'failed', code: 'agent-authentication', message: 'No.' } as const;
  const QUOTA = { result: 'failed', code: 'agent-quota', message: 'No quota.' } as const;
  const fact = ({ turnId, attemptId }: ClaimedTurn) => ({ turnId, attemptId });

  /** One turn has gone well, and the next is at work. */
  async function second(): Promise<PlayedWorkspace & { turn: ClaimedTurn }> {
    const played = await bench.running({ message: 'work' });
    const { id, runner, proxy } = played;
    const turn = await runner.claim();
    await runner.report({ type: 'agent.session', ...fact(turn), session: 's-1' });
    await proxy.report(proxy.served(await proxy.lease()));
    await runner.report({ ...runner.finished(turn), point: 'p-1' } as Fact);
    await bench.api.send(id, 'more');
    return { ...played, turn: await runner.claim() };
  }
  /** Ends the attempt for lack of a login, and lets the pause pass. */
  async function refusedAttempt({ runner }: PlayedWorkspace, turn: ClaimedTurn): Promise<void> {
    await runner.report(runner.finished(turn, UNAUTHENTICATED));
    bench.clock.advance(PAUSE_MS);
  }
  const cancel = (id: string, messageId: string) =>
    bench.api.post(bench.api.path(`/workspaces/${id}/messages/${messageId}/cancel`), undefined, 202);
  /** Puts it to sleep as it is, and wakes it with a message. */
  async function woken({ id }: PlayedWorkspace): Promise<PlayedWorkspace> {
    await bench.hibernate(id);
    await bench.reconcile(id);
    await bench.reconcile(id);
    await bench.api.send(id, 'and now');
    const next = await bench.started(id, 2);
    await next.runner.start();
    return next;
  }
  const next = async (played: PlayedWorkspace): Promise<PlayedWorkspace> => {
    await bench.api.send(played.id, 'and now');
    return played;
  };

  it.each([
    {
      how: 'was put to sleep after a tool',
      to: async (played: PlayedWorkspace, turn: ClaimedTurn) => {
        await played.runner.report({ ...BASH, ...fact(turn) });
        return woken(played);
      },
    },
    {
      how: 'was put to sleep in its answer',
      to: async (played: PlayedWorkspace) => {
        await played.proxy.report(played.proxy.served(await played.proxy.lease()));
        return woken(played);
      },
    },
    {
      how: 'found no login after a tool',
      to: async (played: PlayedWorkspace, turn: ClaimedTurn) => {
        await played.runner.report({ ...BASH, ...fact(turn) });
        await refusedAttempt(played, turn);
        await refusedAttempt(played, await played.runner.claim());
        await refusedAttempt(played, await played.runner.claim());
        return next(played);
      },
    },
    {
      how: 'was canceled between two attempts after a tool',
      to: async (played: PlayedWorkspace, turn: ClaimedTurn) => {
        await played.runner.report({ ...BASH, ...fact(turn) });
        await refusedAttempt(played, turn);
        await cancel(played.id, turn.turnId);
        return next(played);
      },
    },
    {
      how: 'failed after a tool',
      to: async (played: PlayedWorkspace, turn: ClaimedTurn) => {
        await played.runner.report({ ...BASH, ...fact(turn) }, played.runner.finished(turn, QUOTA));
        return next(played);
      },
    },
  ])('does not cut off one that $how', async ({ to }) => {
    const { turn, ...played } = await second();
    const after = await to(played, turn);
    const last = await after.runner.claim();
    expect(last).toMatchObject({ text: 'and now', mode: 'start', session: 's-1' });
    await refusedAttempt(after, last);
    expect(await after.runner.claim()).toMatchObject({ attempt: 2, mode: 'continue', session: 's-1' });
  });

  it.each([
    { how: 'the turn between was put to sleep before an answer', to: woken },
    {
      how: 'the turn between was not answered',
      to: async (played: PlayedWorkspace, turn: ClaimedTurn) => {
        await played.runner.report(played.runner.finished(turn, QUOTA));
        return next(played);
      },
    },
  ])('cuts there when $how', async ({ to }) => {
    const { turn, ...played } = await second();
    const after = await to(played, turn);
    const last = await after.runner.claim();
    expect(last).toMatchObject({ text: 'and now', mode: 'start' });
    await refusedAttempt(after, last);
    expect(await after.runner.claim()).toMatchObject({ mode: 'replay', session: 's-1', point: 'p-1' });
  });

  it('forgets what was canceled, or put to sleep, between two attempts', async () => {
    for (const how of ['cancel', 'sleep']) {
      const { turn, ...played } = await second();
      await refusedAttempt(played, turn);
      if (how === 'cancel') await cancel(played.id, turn.turnId);
      const after = how === 'cancel' ? await next(played) : await woken(played);
      expect(await after.runner.claim()).toMatchObject({
        ...{ text: 'and now', attempt: 1, mode: 'replay', session: 's-1', point: 'p-1' },
      });
    }
  });
});
