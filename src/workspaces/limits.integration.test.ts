import type { Answered } from '../../test/support/api.js';
import { API_KEY, Bench } from '../../test/support/bench.js';
import { expectProblem } from '../../test/support/problem.js';
import type { LimitsView, WorkspaceView } from '../contracts/index.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.close());

const limit = (columns: string): Promise<unknown> => bench.sql(`UPDATE organization SET ${columns}`);
const tryCreate = (): Promise<Answered<WorkspaceView>> =>
  bench.api.call('POST', bench.api.path('/workspaces'), { repository: 'acme/app' });
const limits = async (): Promise<LimitsView> =>
  (await bench.api.get<LimitsView>(bench.api.path('/limits'))).body;

it('of workspaces is met exactly, however many come at once', async () => {
  await limit('max_workspaces = 7');
  const answers = await Promise.all(Array.from({ length: 50 }, tryCreate));
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(7);
  for (const answer of answers.filter(({ status }) => status !== 202))
    expectProblem(answer, 429, 'limit-workspaces');
  expect(await bench.sql('SELECT id FROM workspace')).toHaveLength(7);
  expect(await limits()).toMatchObject({ workspaces: { limit: 7, used: 7 }, running: { used: 7 } });
});

it('of running ones is met exactly by those that are made', async () => {
  await limit('max_running = 5');
  const answers = await Promise.all(Array.from({ length: 50 }, tryCreate));
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(5);
  const refused = answers.find(({ status }) => status !== 202);
  expect(refused && expectProblem(refused, 429, 'limit-running').detail).toContain('Hibernate one');
});

it('of running ones is met exactly by those that are woken, written to, or made', async () => {
  const asleep = await Promise.all(Array.from({ length: 8 }, () => bench.inState('hibernated')));
  await limit('max_running = 3');
  const answers = await Promise.all([
    ...asleep.slice(0, 4).map(({ id }) => bench.api.call('POST', bench.api.path(`/workspaces/${id}/wake`))),
    ...asleep
      .slice(4)
      .map(({ id }) => bench.api.call('POST', bench.api.path(`/workspaces/${id}/messages`), { text: 'hi' })),
    ...Array.from({ length: 6 }, tryCreate),
  ]);
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
  for (const answer of answers.filter(({ status }) => status !== 202))
    expectProblem(answer, 429, 'limit-running');
  // Who was refused has left no message that would wait for ever.
  const [turns] = await bench.sql('SELECT count(*)::int AS n FROM turn');
  const said = answers.slice(4, 8).filter(({ status }) => status === 202).length;
  expect(turns?.n).toBe(said);
});

it('does not stand in the way of one that runs already, or is about to', async () => {
  const { id } = await bench.running();
  await limit('max_running = 1');
  await bench.api.send(id, 'hello');
  await bench.act(id, 'POST', '/wake');
  await bench.api.call('POST', bench.api.path(`/workspaces/${id}/hibernate`), undefined, 202);
  // It goes to sleep and leaves its place; a message takes it again.
  await bench.api.send(id, 'come back');
  expectProblem(await tryCreate(), 429, 'limit-running');
});

it('gives places back: by sleep, by failure, by deletion', async () => {
  await limit('max_running = 1, max_workspaces = 3');
  const { id } = await bench.running();
  expectProblem(await tryCreate(), 429, 'limit-running');
  await bench.hibernate(id);
  const second = await bench.running();
  await second.runner.report({ type: 'workspace.failed', code: 'no-space', message: 'No space left.' });
  const third = await bench.create();
  expect(await limits()).toMatchObject({ workspaces: { used: 3 }, running: { used: 1 } });
  expectProblem(await tryCreate(), 429, 'limit-workspaces');
  await bench.delete(third.id);
  await bench.create();
});

it('counts what others of the organization have, and nothing of another', async () => {
  await limit('max_workspaces = 1');
  const member = await bench.app.member(bench.organization, 'member');
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await member.api.createWorkspace({ repository: 'acme/app' });
  expectProblem(await tryCreate(), 429, 'limit-workspaces');
  const { owner } = await bench.app.founded('other');
  await limit('max_workspaces = 1');
  await owner.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  await owner.api.createWorkspace({ repository: 'acme/app' });
});

describe('changing them', () => {
  const change = (body: unknown, org = 'acme', key: string | null = bench.owner.apiKey) =>
    bench.app.api(key).call<LimitsView>('PATCH', `/api/v1/organizations/${org}/limits`, body);
  const administer = (userId: string) =>
    bench.sql('UPDATE "user" SET instance_administrator = true WHERE id = $1', [userId]);

  it('is for who administers the instance, of whichever organization', async () => {
    expectProblem(await change({ running: 5 }), 403, 'forbidden');
    const other = await bench.app.founded('other');
    expectProblem(await change({ running: 5 }, 'other'), 404, 'not-found');
    await administer(bench.owner.userId);
    for (const org of ['acme', 'other', other.id]) {
      const { status, body } = await change({ running: 5 }, org);
      expect([status, body.running.limit, body.workspaces.limit]).toEqual([200, 5, 100_000]);
    }
    expectProblem(await change({ running: 5 }, 'no-such-organization'), 404, 'not-found');
    expect(await limits()).toMatchObject({ running: { limit: 5, used: 0 } });
  });

  it.each([
    {},
    { running: -1 },
    { running: 1.5 },
    { requestsPerSecond: 0 },
    { workspaces: '5' },
    { used: 1 },
  ])('takes no %j', async (body) => {
    await administer(bench.owner.userId);
    expectProblem(await change(body), 422, 'validation-failed');
  });

  it('below what is there takes nothing away', async () => {
    await administer(bench.owner.userId);
    const { id } = await bench.running();
    expect((await change({ workspaces: 0, running: 0 })).body).toMatchObject({
      workspaces: { limit: 0, used: 1 },
    });
    await bench.api.send(id, 'still there?');
    expectProblem(await tryCreate(), 429, 'limit-workspaces');
  });
});

it('are 100 alive, 20 running and 200 requests a second where nobody said otherwise', async () => {
  const [row] = await bench.sql(
    `INSERT INTO organization (id, slug, name, created_at) VALUES ($1, 'plain', 'Plain', now())
     RETURNING max_workspaces, max_running, max_requests_per_second`,
    [bench.newId()],
  );
  expect(row).toEqual({ max_workspaces: 100, max_running: 20, max_requests_per_second: 200 });
});
