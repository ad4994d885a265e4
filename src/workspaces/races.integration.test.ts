import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import type { WorkspaceState } from '../contracts/index.js';

/** Holds every start of the runtime until the test lets it go. */
function holdStarts(bench: Bench): { begun: Promise<void>; release: () => void } {
  const { runtime } = bench.app;
  const start = runtime.start.bind(runtime);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  runtime.start = async (request) => {
    begin();
    await held;
    return start(request);
  };
  return {
    begun,
    release: () => {
      runtime.start = start;
      release();
    },
  };
}

describe('wishes that cross each other', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  it('asked to sleep while it starts: it begins no turn, and sleeps as soon as it is there', async () => {
    const { id } = await bench.create({ message: 'hello' });
    const { runner } = await bench.started(id);
    await runner.hello();
    expect(await bench.hibernate(id)).toMatchObject({ state: 'provisioning', desiredState: 'hibernated' });
    await bench.reconcile(id);
    await runner.report({ type: 'workspace.prepared' });
    expect((await runner.tryClaim()).status).toBe(204);
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('hibernated');
    // The message waits for the next time it runs.
    expect((await bench.api.messages(id))[0]).toMatchObject({ state: 'queued', attempts: 0 });
    await bench.wake(id);
    const next = await bench.started(id, 2);
    await next.runner.start();
    expect(await next.runner.claim()).toMatchObject({ text: 'hello', attempt: 1 });
  });

  it('asked to sleep while it starts, and to run after all: it runs', async () => {
    const { id } = await bench.create();
    const { runner } = await bench.started(id);
    await bench.hibernate(id);
    await bench.api.send(id, 'stay');
    await runner.start();
    await bench.reconcile(id);
    expect(await bench.api.workspace(id)).toMatchObject({ state: 'running', desiredState: 'running' });
    expect(await runner.claim()).toMatchObject({ text: 'stay' });
  });

  it('asked to run while it falls asleep: it sleeps, and wakes at once', async () => {
    const { id } = await bench.running();
    await bench.hibernate(id);
    expect(await bench.wake(id)).toMatchObject({ state: 'hibernating', desiredState: 'running' });
    const { runner } = await bench.started(id, 2);
    await runner.start();
    expect(await bench.toldStates(id)).toEqual(
      'provisioning running hibernating hibernated waking running'.split(' '),
    );
  });

  it('deleted while the machine starts it: what was started is removed, and its runner is refused', async () => {
    const { id } = await bench.create();
    const { begun, release } = holdStarts(bench);
    const starting = bench.reconcile(id);
    await begun;
    expect(await bench.delete(id)).toMatchObject({ state: 'deleting' });
    const deleting = bench.reconcile(id);
    release();
    await Promise.all([starting, deleting]);
    expect(bench.calls(id)).toEqual(['start', 'destroy']);
    expect([await bench.state(id), await bench.app.runtime.inspect(id)]).toEqual(['gone', 'absent']);
  });

  it('put to sleep while the machine wakes it again: the later wish wins, whichever work ends first', async () => {
    const { id } = await bench.inState('waking');
    const { begun, release } = holdStarts(bench);
    const starting = bench.reconcile(id);
    await begun;
    await bench.hibernate(id);
    const second = bench.reconcile(id);
    release();
    await Promise.all([starting, second]);
    const { runner } = await bench.started(id, 2);
    await runner.start();
    await bench.reconcile(id);
    expect([await bench.state(id), await bench.app.runtime.inspect(id)]).toEqual(['hibernated', 'stopped']);
    expect(await bench.tokens(id)).toBe(0);
  });

  it('a runner that starts in a workspace that was put to sleep meanwhile is refused', async () => {
    const { id, runner } = await bench.running();
    await bench.hibernate(id);
    const late = await bench.started(id);
    expect((await late.runner.hello()).status).toBe(401);
    expect((await runner.tryClaim()).status).toBe(401);
  });

  it('a runner that died is replaced, and hears so if it lives after all', async () => {
    const { id, runner } = await bench.running();
    bench.app.runtime.crash(id);
    const next = await bench.started(id, 2);
    await next.runner.start();
    expect((await runner.tryClaim()).status).toBe(401);
    expect(await bench.state(id)).toBe('running');
    expect(await bench.tokens(id)).toBe(2);
  });

  it('an adopted runner keeps its token, and its proxy gets a new one', async () => {
    const { id, runner, proxy } = await bench.running();
    const { runtime } = bench.app;
    // As after a crash of Berth: the runner lives, its way out does not.
    const inspect = runtime.inspect.bind(runtime);
    runtime.inspect = () => Promise.resolve('detached');
    await bench.reconcile(id);
    runtime.inspect = inspect;
    const next = await bench.started(id, 2);
    expect((await runner.tryClaim()).status).toBe(204);
    expect((await next.runner.hello()).status).toBe(401);
    expect((await proxy.tryLease()).status).toBe(401);
    expect((await next.proxy.tryLease()).status).toBe(200);
  });

  it('keeps the tokens of what runs when the old ones cannot be taken away', async () => {
    const { id } = await bench.running();
    bench.app.runtime.crash(id);
    await bench.sql(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
    );
    await bench.sql(
      'CREATE TRIGGER refuse BEFORE DELETE ON machine_token FOR EACH ROW EXECUTE FUNCTION refuse()',
    );
    await expect(bench.reconcile(id)).rejects.toThrow();
    await bench.sql('DROP TRIGGER refuse ON machine_token');
    const { runner, proxy } = await bench.started(id, 2);
    await runner.start();
    expect((await proxy.tryLease()).status).toBe(200);
  });

  it('the turn under way ends in the same stroke in which its workspace stops', async () => {
    const begin = async (): Promise<PlayedWorkspace> => {
      const played = await bench.running({ message: 'work' });
      await played.runner.claim();
      await bench.api.send(played.id, 'later');
      return played;
    };
    const asleep = await begin();
    await bench.hibernate(asleep.id);
    expect((await bench.api.messages(asleep.id)).map(({ state }) => state)).toEqual(['canceled', 'queued']);

    const broken = await begin();
    await broken.runner.report({ type: 'workspace.failed', code: 'no-space', message: 'No space.' });
    const [turn, next] = await bench.api.messages(broken.id);
    expect(turn).toMatchObject({
      state: 'failed',
      error: { code: 'workspace-failed', message: 'The workspace failed: No space.' },
    });
    expect(next?.state).toBe('queued');
    const told = (await bench.api.events(broken.id)).slice(-2).map(({ type, data }) => [type, data.state]);
    expect(told).toEqual([
      ['workspace.state', 'failed'],
      ['message.state', 'failed'],
    ]);
  });
});

describe('reconciling again and again', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  /** Where each state comes to rest when nobody asks for anything more, and what the machine does for it. */
  const rests: [WorkspaceState, string, string[]][] = [
    ['provisioning', 'provisioning', ['start']],
    ['running', 'running', ['start']],
    ['hibernating', 'hibernated', ['start', 'stop']],
    ['hibernated', 'hibernated', ['start', 'stop']],
    ['waking', 'waking', ['start', 'stop', 'start']],
  ];
  it.each(rests)('changes nothing more once %s came to rest as %s', async (state, rest, calls) => {
    const { id } = await bench.inState(state);
    await Promise.all([1, 2, 3].map(() => bench.reconcile(id)));
    const picture = async () => ({
      state: await bench.state(id),
      operations: await bench.operations(id),
      events: await bench.api.events(id),
      tokens: await bench.tokens(id),
      calls: bench.calls(id),
    });
    const before = await picture();
    expect([before.state, before.calls]).toEqual([rest, calls]);
    for (let again = 0; again < 3; again++) await bench.reconcile(id);
    expect(await picture()).toEqual(before);
  });

  it('only stops a failed one again, and only removes what is gone already', async () => {
    const { id } = await bench.inState('failed');
    const events = await bench.api.events(id);
    for (let again = 0; again < 3; again++) await bench.reconcile(id);
    expect(await bench.api.events(id)).toEqual(events);
    expect(new Set(bench.calls(id))).toEqual(new Set(['start', 'stop']));
    await bench.delete(id);
    for (let again = 0; again < 3; again++) await bench.reconcile(id);
    expect(bench.calls(id).slice(-3)).toEqual(['destroy', 'destroy', 'destroy']);
    expect(await bench.state(id)).toBe('gone');
  });

  it('does what a process left undone that was killed between two steps', async () => {
    // Killed after the machine stopped it, before the row said so; and after the files were removed, before the row was.
    const asleep = await bench.inState('hibernating');
    await bench.app.runtime.stop(asleep.id);
    await bench.reconcile(asleep.id);
    expect(await bench.state(asleep.id)).toBe('hibernated');
    const gone = await bench.inState('deleting');
    await bench.app.runtime.destroy(gone.id);
    await bench.reconcile(gone.id);
    expect(await bench.state(gone.id)).toBe('gone');
    // Killed after tokens were made, before the machine was asked: the next start makes its own and drops those.
    const { id } = await bench.create();
    await bench.sql(
      `INSERT INTO machine_token (hash, organization_id, workspace_id, identity, created_at)
       SELECT 'left-' || i, $2, $1, i, now() FROM unnest(ARRAY['runner', 'proxy']) i`,
      [id, bench.organization.id],
    );
    await bench.started(id);
    expect(await bench.tokens(id)).toBe(2);
    expect(await bench.sql(`SELECT 1 FROM machine_token WHERE hash LIKE 'left-%'`)).toEqual([]);
  });
});
