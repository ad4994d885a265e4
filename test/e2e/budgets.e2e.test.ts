import type { BudgetView } from '../../src/contracts/index.js';
import { TestSystem } from './support/system.js';

/** The real agents where a budget is spent in the middle of a turn. */

let system: TestSystem;
beforeAll(async () => {
  system = await TestSystem.start();
});
afterAll(() => system.close());

it.each(['claude', 'codex'] as const)(
  'a turn of %s that a budget stopped says so, once, and the next one goes on where it is raised',
  async (agent) => {
    const { api } = system;
    const model = agent === 'claude' ? system.anthropic : system.openai;
    const calls = (): number => model.requests.filter(({ asked }) => asked !== null).length;
    const { id } = await system.runningWorkspace(agent, `spends-${agent}`);
    const terms = { scope: 'workspace', subject: id, period: 'total' };
    const { body: budget } = await api.post<BudgetView>(
      api.path('/budgets'),
      { ...terms, limitTokens: 1 },
      201,
    );
    const before = calls();

    // The first call may be made, since nothing is used; what it asks for needs a second.
    const asked = await api.send(id, 'run echo one && echo two');
    const ended = await api.untilEnded(id, asked.id);
    expect(ended).toMatchObject({ state: 'failed', attempts: 1, error: { code: 'budget-spent' } });
    expect(ended.error?.message).toContain('The budget of this workspace, 1 tokens, is spent.');
    expect(calls() - before).toBe(1);
    expect((await api.workspace(id)).authentication).toBe('ok');
    const told = (await api.events(id)).filter(({ type }) => type === 'budget.state');
    expect(told.map(({ data }) => data.state)).toEqual(['spent']);

    const raised = { ...terms, limitTokens: 1_000_000 };
    await api.call('PUT', api.path(`/budgets/${budget.id}`), raised, 200);
    const next = await api.send(id, 'Good day');
    expect(await api.untilEnded(id, next.id)).toMatchObject({ state: 'completed', attempts: 1 });
    const { used } = (await api.get<BudgetView>(api.path(`/budgets/${budget.id}`))).body;
    expect(used).toMatchObject({ calls: calls() - before, unknownCalls: 0 });
  },
);
