import { Bench } from '../../test/support/bench.js';
import { machinesOf } from '../../test/support/machines.js';
import { BerthError } from '../kernel/index.js';
import { WorkspaceSettings } from './index.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const text = (part: string): unknown => expect.stringContaining(part);
const refusal = new BerthError('runtime-failed', 'The disk is full. Make room.');

describe('what a workspace promises whose change lasts', () => {
  let bench: Bench;
  beforeAll(async () => {
    const repositories = { githubUrl: 'https://github.com', fileRoots: null, dataDirectory: '/nowhere/b' };
    const settings = new WorkspaceSettings(repositories, { claude: 'm', codex: 'm' }, 3600, 300);
    // A call of the runtime that hangs is given up after a twentieth of a second.
    const workspaceSettings = Object.assign(settings, { runtimeSeconds: 0.05 });
    bench = await Bench.start({ parts: { workspaceSettings } });
  });
  afterAll(() => bench.close());

  const wait = (milliseconds: number): void => bench.clock.advance(milliseconds);
  const tried = (id: string): Promise<unknown> => bench.reconcile(id).catch((error: unknown) => error);
  async function told(id: string) {
    const [operation, { state, stateReason }] = [
      (await bench.operations(id)).at(-1),
      await bench.api.workspace(id),
    ];
    return { state, stateReason, waitsFor: operation?.waitsFor?.code, error: operation?.error?.code };
  }

  it('says nothing while all is as usual, and then what it waits for: a worker, a hello, the clone', async () => {
    const { id } = await bench.create();
    wait(29 * SECOND);
    expect(await told(id)).toMatchObject({ state: 'provisioning', stateReason: null, waitsFor: undefined });
    wait(SECOND);
    expect(await told(id)).toMatchObject({
      stateReason: text('No worker'),
      waitsFor: 'no-worker',
    });
    await bench.reconcile(id);
    expect(await told(id)).toMatchObject({
      stateReason: text('hello'),
      waitsFor: 'runner-silent',
    });
    const { runner } = await machinesOf(bench.app, id);
    await runner.hello();
    expect(await told(id)).toMatchObject({ waitsFor: 'clone-under-way' });
    await runner.report({ type: 'workspace.prepared' });
    expect(await told(id)).toEqual({
      state: 'running',
      stateReason: null,
      waitsFor: undefined,
      error: undefined,
    });
  });

  it('says that it cannot be put to sleep, fails at its deadline with that cause, and is retried by waking', async () => {
    const { id } = await bench.inState('hibernating');
    bench.app.runtime.failNext('stop', refusal, 2);
    await tried(id);
    wait(30 * SECOND);
    const sleepless = 'It could not go to sleep yet, and is tried again. The disk is full. Make room.';
    expect(await told(id)).toEqual({
      state: 'hibernating',
      stateReason: sleepless,
      waitsFor: 'runtime-refuses',
      error: undefined,
    });
    wait(5 * MINUTE);
    await tried(id);
    expect(await told(id)).toMatchObject({
      state: 'failed',
      stateReason: text(`within 5 minutes. ${sleepless} Wake it`),
      error: 'deadline-exceeded',
    });
    await bench.wake(id);
    await bench.reconcile(id);
    expect(await told(id)).toMatchObject({ state: 'waking', stateReason: null });
  });

  it('tells an obstacle no longer than it is there', async () => {
    const { id } = await bench.inState('hibernating');
    bench.app.runtime.failNext('stop', refusal);
    await tried(id);
    wait(MINUTE);
    expect((await bench.api.workspace(id)).stateReason).toContain('The disk is full');
    await bench.reconcile(id);
    expect(await told(id)).toEqual({
      state: 'hibernated',
      stateReason: null,
      waitsFor: undefined,
      error: undefined,
    });
    await bench.wake(id);
    bench.app.runtime.failNext('inspect', new Error('an error that nobody foresaw'));
    await tried(id);
    wait(MINUTE);
    expect((await bench.api.workspace(id)).stateReason).toBe(
      'It could not wake up yet, and is tried again. Something went wrong; the server’s log has the details.',
    );
    await bench.reconcile(id);
    expect(await told(id)).toMatchObject({ state: 'waking', waitsFor: 'runner-silent' });
  });

  it('deletes for ever, says why it lasts, and is gone once it can be', async () => {
    const { id } = await bench.inState('deleting');
    bench.app.runtime.failNext('destroy', refusal, 2);
    for (let hour = 0; hour < 2; hour++) {
      await tried(id);
      wait(60 * MINUTE);
      expect(await told(id)).toMatchObject({
        state: 'deleting',
        stateReason: text('It could not disappear yet'),
        waitsFor: 'runtime-refuses',
      });
    }
    await bench.reconcile(id);
    expect(await bench.state(id)).toBe('gone');
  });

  it('waits for no call of the runtime that hangs, and meets its deadline all the same', async () => {
    const { id } = await bench.inState('hibernating');
    const release = bench.app.runtime.holdNext('stop');
    expect(await tried(id)).toMatchObject({ code: 'not-ready' });
    wait(5 * MINUTE);
    expect((await bench.api.workspace(id)).stateReason).toContain('did not stop it within');
    await tried(id);
    expect(await bench.state(id)).toBe('failed');
    release();
  });

  it('ends a runner that lives in a workspace that sleeps', async () => {
    const { id } = await bench.inState('hibernated');
    bench.app.runtime.resurrect(id);
    await bench.reconcile(id);
    expect([await bench.app.runtime.inspect(id), await bench.tokens(id)]).toEqual(['stopped', 0]);
    expect(await bench.state(id)).toBe('hibernated');
  });

  it('replaces a runner that lives and hangs, and continues its turn', async () => {
    const { id, runner } = await bench.running({ message: 'work' });
    const turn = await runner.claim();
    for (let minute = 0; minute < 10; minute++) {
      await runner.commands();
      await bench.reconcile(id);
      wait(MINUTE);
    }
    expect(bench.calls(id)).toEqual(['start']);
    // From now on it is silent. Berth could not be reached for a while either: nobody is to blame.
    bench.app.runtime.reachesBerth = false;
    wait(10 * MINUTE);
    await bench.reconcile(id);
    bench.app.runtime.reachesBerth = true;
    wait(SECOND);
    await bench.reconcile(id);
    expect(bench.calls(id)).toEqual(['start']);
    wait(MINUTE);
    await bench.reconcile(id);
    expect(bench.calls(id)).toEqual(['start', 'stop', 'start']);
    const next = (await machinesOf(bench.app, id, 2)).runner;
    await next.start();
    expect((await runner.commands()).status).toBe(401);
    expect(await next.claim()).toMatchObject({ turnId: turn.turnId, attempt: 2, mode: 'continue' });
  });
});
