import { jest } from '@jest/globals';
import { jobs, type JobName } from './catalog.js';
import { JobHandlers } from './job-handlers.js';

const ref = {
  organizationId: '019a0000-0000-7000-8000-000000000001',
  workspaceId: '019a0000-0000-7000-8000-000000000002',
};
const nothing = (): Promise<void> => Promise.resolve();

describe('JobHandlers', () => {
  it('refuses a second handler of a job', () => {
    const handlers = new JobHandlers();
    handlers.add('sweep', nothing);
    expect(() => handlers.add('sweep', nothing)).toThrow('The job sweep has two handlers.');
  });

  it('names every job that nobody does, and is content when there is none', () => {
    const handlers = new JobHandlers();
    const [first, ...rest] = Object.keys(jobs) as JobName[];
    expect(() => handlers.check()).toThrow([first, ...rest].join(', '));
    for (const name of rest) handlers.add(name, nothing);
    expect(() => handlers.check()).toThrow(`No handler for the jobs ${first}.`);
    handlers.add(first ?? 'sweep', nothing);
    expect(() => handlers.check()).not.toThrow();
  });

  it('hands over the payload, and passes a failure on', async () => {
    const handlers = new JobHandlers();
    const seen: unknown[] = [];
    handlers.add('workspace.reconcile', (payload) => {
      seen.push(payload);
      return seen.length === 1 ? Promise.resolve() : Promise.reject(new Error('no'));
    });
    await handlers.run('workspace.reconcile', ref);
    await expect(handlers.run('workspace.reconcile', ref)).rejects.toThrow('no');
    expect(seen).toEqual([ref, ref]);
  });

  it.each([
    ['nothing', undefined],
    ['an id that is none', { ...ref, workspaceId: '1; drop table job' }],
    ['an id missing', { organizationId: ref.organizationId }],
    ['more than ids', { ...ref, secret: 'sk-ant-x' }],
  ])('does not begin on a payload with %s', async (_, payload) => {
    const handlers = new JobHandlers();
    const handler = jest.fn(nothing);
    handlers.add('workspace.reconcile', handler);
    await expect(handlers.run('workspace.reconcile', payload)).rejects.toMatchObject({ name: 'ZodError' });
    expect(handler).not.toHaveBeenCalled();
  });

  it.each(['unknown', 'toString', '__proto__', ''])(
    'refuses the job %j, which it does not know',
    async (name) => {
      await expect(new JobHandlers().run(name, {})).rejects.toThrow('Nobody knows the job');
    },
  );

  describe('time', () => {
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());

    it('ends an attempt that takes too long, and tells its handler', async () => {
      const handlers = new JobHandlers();
      let signal: AbortSignal | undefined;
      handlers.add('sweep', (_, given) => {
        signal = given;
        return new Promise(() => undefined);
      });
      const run = handlers.run('sweep', {});
      const ended = expect(run).rejects.toThrow(`took longer than ${jobs.sweep.timeoutSeconds} s`);
      await jest.advanceTimersByTimeAsync(jobs.sweep.timeoutSeconds * 1000 - 1);
      expect(signal?.aborted).toBe(false);
      await jest.advanceTimersByTimeAsync(1);
      await ended;
      expect(signal?.aborted).toBe(true);
    });

    it('leaves no timer behind, however a job ends', async () => {
      const handlers = new JobHandlers();
      handlers.add('sweep', nothing);
      handlers.add('workspace.reconcile', () => Promise.reject(new Error('no')));
      await handlers.run('sweep', {});
      await expect(handlers.run('workspace.reconcile', ref)).rejects.toThrow('no');
      await expect(handlers.run('workspace.reconcile', {})).rejects.toThrow();
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});

it('the catalog bounds every job, and lets only ids into a payload', () => {
  for (const [name, job] of Object.entries(jobs)) {
    expect({ name, ok: job.attempts >= 1 && job.backoffSeconds > 0 && job.timeoutSeconds > 0 }).toEqual({
      name,
      ok: true,
    });
    for (const [field, schema] of Object.entries(job.payload.shape)) {
      expect(field).toMatch(/Id$|^generation$/);
      expect(
        (schema as { safeParse(value: unknown): { success: boolean } }).safeParse('a secret').success,
      ).toBe(false);
    }
  }
});
