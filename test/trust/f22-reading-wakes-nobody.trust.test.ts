import type { EventView } from '../../src/contracts/index.js';
import { Sweep } from '../../src/workspaces/index.js';
import { Reconciler } from '../../src/workspaces/reconciler.js';
import { Bench } from '../support/bench.js';
import { machinesOf, type TestRunner } from '../support/machines.js';
import { MovedClock } from '../support/moved-clock.js';
import { figure, type Findings } from './figure.js';
import { quietNews, type Talked } from './support/quiet-news.js';
import { Receiving, type Tracked } from './support/receiving.js';

/** Seen to fail: with `workspacesStore.touch` called in `WorkspacesService.see`, reading counts as work; with what is already done taken once more, what is told twice wakes. */

const ASLEEP = 3;
const TABS = 10;
const MINUTE_MS = 60_000;
/** What workspaces have that trackers made. */
const IDLE_MINUTES = 30;

describe('reading', () => {
  figure(
    {
      id: 'F22',
      scenario:
        'list, show, history, operations, event lists, ten open tabs, health probes and documents, over workspaces that sleep and one that runs',
      line: '0 machines woken; idle time is counted from real work only',
      rounds: { small: 2, full: 120 },
      countedAt: 'calls of the runtime, columns of the rows',
      time: 'injected',
      fullMinutes: 30,
    },
    async (findings) => {
      const bench = await Bench.start();
      try {
        const asleep: string[] = [];
        for (let count = 0; count < ASLEEP; count++) asleep.push((await bench.inState('hibernated')).id);
        const awake = await bench.running({ idleTimeoutMinutes: 10 });
        const all = [...asleep, awake.id];
        const rows = () =>
          bench.sql('SELECT id, state, desired_state, last_activity_at FROM workspace ORDER BY id');
        const before = JSON.stringify(await rows());
        const calls = bench.app.runtime.calls.length;
        const tabs = openTabs(bench, all);
        let reads = 0;
        for (let round = 0; round < findings.rounds; round++) {
          for (const path of pathsOf(bench, all)) {
            const { status } = await bench.api.get<unknown>(path, 200).catch(() => ({ status: 0 }));
            findings.expect(status === 200, `GET ${path} was not answered`);
            reads++;
          }
          await bench.sweep.run();
          for (const id of all) await bench.reconcile(id);
          // Its runner is there all the time, and has nothing to do.
          await awake.runner.commands();
          bench.clock.advance(Math.min(MINUTE_MS, (9 * MINUTE_MS) / findings.rounds));
        }
        const woken = bench.app.runtime.calls.slice(calls);
        findings.expect(
          woken.length === 0,
          `the runtime was called: ${woken.map(({ method }) => method).join()}`,
        );
        findings.expect(
          JSON.stringify(await rows()) === before,
          'reading changed a state, or counted as work',
        );
        // Read all the while, and idle all the same.
        bench.clock.advance(10 * MINUTE_MS);
        await bench.reconcile(awake.id);
        findings.expect(
          (await bench.state(awake.id)) === 'hibernated',
          'what is only read does not go to sleep',
        );
        for (const tab of tabs) tab.abort();
        findings.tried = reads;
        findings.number('reads', reads);
        findings.number('tabs', tabs.length);
      } finally {
        await bench.close();
      }
    },
  );
});

describe('what trackers tell', () => {
  figure(
    {
      id: 'F22 webhooks',
      scenario:
        'signed deliveries of GitHub and Linear that need nothing (comments without a mention, quotations, our own words and those of bots, what was asked and told again, edits, reviews, pushes, checks, labels, reactions, notifications, changed issues, what nobody knows), over workspaces that sleep behind a pull request and a session, and two that run',
      line: '0 machines woken, 0 turns; idle time is counted from real work only; each delivery has the outcome of what does nothing',
      rounds: { small: 1, full: 60 },
      countedAt: 'calls of the runtime, rows of workspaces and messages, outcomes of deliveries',
      time: 'injected',
    },
    async (findings) => {
      const clock = new MovedClock();
      const receiving = await Receiving.start({ replicas: 1, clock });
      try {
        const asleep = await Talk.begin(receiving);
        await asleep.sleep();
        const awake = await Talk.begin(receiving);
        await listen(receiving, clock, [asleep, awake], findings);
        // Told of things all the while, and idle all the same.
        clock.set(clock.now().getTime() + IDLE_MINUTES * MINUTE_MS);
        for (const id of awake.ids) await awake.reconcile(id);
        const states = await awake.states();
        findings.expect(
          states.every((state) => state === 'hibernated' || state === 'hibernating'),
          `what is only told of things does not go to sleep: ${states.join()}`,
        );
      } finally {
        await receiving.close();
      }
    },
  );
});

async function listen(
  receiving: Receiving,
  clock: MovedClock,
  talks: readonly Talk[],
  findings: Findings,
): Promise<void> {
  const rows = (): Promise<Record<string, unknown>[]> =>
    receiving.sql(
      `SELECT w.id, w.state, w.desired_state, w.last_activity_at, count(m.id)::int AS messages
         FROM workspace w LEFT JOIN message m ON m.workspace_id = w.id GROUP BY w.id ORDER BY w.id`,
    );
  const { runtime, app } = receiving.first;
  const before = JSON.stringify(await rows());
  const calls = runtime.calls.length;
  let told = 0;
  const begun = clock.now();
  for (let round = 0; round < findings.rounds; round++) {
    for (const talk of talks) {
      for (const tell of Object.values(talk.news)) {
        await tell(talk.talked);
        told++;
      }
      // Their runners are there all the time, and have nothing to do.
      for (const runner of talk.runners) await runner.commands();
    }
    await receiving.settle(1);
    await app.get(Sweep, { strict: false }).run();
    for (const talk of talks) for (const id of talk.ids) await talk.reconcile(id);
    const step = Math.min(MINUTE_MS, ((IDLE_MINUTES - 1) * MINUTE_MS) / findings.rounds);
    clock.set(clock.now().getTime() + step);
  }
  const woken = runtime.calls.slice(calls);
  findings.expect(woken.length === 0, `the runtime was called: ${woken.map(({ method }) => method).join()}`);
  findings.expect(JSON.stringify(await rows()) === before, 'a delivery changed a state, or counted as work');
  const outcomes = await receiving.sql(
    `SELECT coalesce(outcome, state) AS outcome, count(*)::int AS n FROM delivery WHERE received_at >= $1 GROUP BY 1`,
    [begun],
  );
  for (const { outcome, n } of outcomes)
    findings.expect(NOTHING.test(String(outcome)), `${String(n)} deliveries ended as ${String(outcome)}`);
  findings.tried = told;
  findings.number('deliveries', told);
  findings.number('sorts', Object.keys(talks[0]?.news ?? {}).length);
}

/** What is neither work nor a word to anybody. */
const NOTHING = /^(ignored-.*|already-done|team-access-changed|repositories-updated|installation-updated)$/;

/** A session and a pull request of an organization, each with a workspace behind it whose first turn is over. */
class Talk {
  private constructor(
    private readonly receiving: Receiving,
    private readonly tracked: Tracked,
    readonly talked: Talked,
    readonly ids: readonly string[],
    readonly runners: TestRunner[],
    readonly news: ReturnType<typeof quietNews>,
  ) {}

  static async begin(receiving: Receiving): Promise<Talk> {
    const { linear } = receiving;
    const { github, app } = receiving.github;
    const tracked = await receiving.track();
    const { there, team, ann, repository, annAtGithub, organization } = tracked;
    receiving.listen();
    const issue = there.addIssue(team.id, { title: 'Something to do' });
    const { session } = await linear.delegate(there, issue, ann);
    const pull = await github.make.pull(repository, annAtGithub);
    const asked = github.make.comment(repository, pull.number, annAtGithub, `@${app.slug} rename it`);
    await github.hooks.deliver('issue_comment', github.events.issueComment(repository, asked));
    await receiving.settle();
    const made = await receiving.sql('SELECT id FROM workspace WHERE organization_id = $1', [
      organization.id,
    ]);
    const ids = made.map(({ id }) => String(id));
    const runners: TestRunner[] = [];
    for (const id of ids) runners.push(await worked(receiving, id));
    const talked = { session, issue, pull, asked };
    const talk = new Talk(receiving, tracked, talked, ids, runners, quietNews(receiving, tracked));
    await talk.settle();
    return talk;
  }

  async sleep(): Promise<void> {
    const { api } = this.tracked.organization.owner;
    for (const id of this.ids) {
      await api.post(api.path(`/workspaces/${id}/hibernate`), undefined, 202);
      await this.reconcile(id);
      await api.untilState(id, 'hibernated');
    }
    this.runners.length = 0;
    await this.settle();
  }

  reconcile(workspaceId: string): Promise<void> {
    const { organization } = this.tracked;
    const reconciler = this.receiving.first.app.get(Reconciler, { strict: false });
    return reconciler.reconcile({ organizationId: organization.id, workspaceId });
  }

  async states(): Promise<string[]> {
    const rows = await this.receiving.sql('SELECT state FROM workspace WHERE id = ANY ($1)', [this.ids]);
    return rows.map(({ state }) => String(state));
  }

  settle(): Promise<void> {
    return this.receiving.settle();
  }
}

/** Its machine does the one turn that there is. */
async function worked({ first }: Receiving, id: string): Promise<TestRunner> {
  const { runner, proxy } = await machinesOf(first, id);
  await runner.start();
  const turn = await runner.claim(20);
  await proxy.report(proxy.served(await proxy.lease()));
  await runner.report(runner.answer(turn, 'Done.'), runner.finished(turn));
  return runner;
}

function pathsOf({ api }: Bench, ids: readonly string[]): string[] {
  const instance = ['/healthz', '/readyz', '/openapi.json', '/docs', '/api/v1/me'];
  const lists = [
    '',
    '/workspaces',
    '/members',
    '/api-keys',
    '/credentials',
    '/credentials/resolution?agent=claude',
  ];
  const each = ['', '/operations', '/messages', '/events?after=0&limit=1000'];
  return [
    ...instance,
    ...lists.map((rest) => api.path(rest)),
    ...ids.flatMap((id) => each.map((rest) => api.path(`/workspaces/${id}${rest}`))),
  ];
}

/** Live readers of each workspace that stay. */
function openTabs({ api }: Bench, ids: readonly string[]): AbortController[] {
  return ids.flatMap((id) =>
    Array.from({ length: TABS }, () => {
      const tab = new AbortController();
      const headers = {
        authorization: `Bearer ${api.apiKey ?? ''}`,
        accept: 'text/event-stream',
        'last-event-id': '0',
      };
      const url = `${api.url}${api.path(`/workspaces/${id}/events`)}`;
      void read(url, headers, tab.signal).catch(() => undefined);
      return tab;
    }),
  );
}

async function read(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<EventView[]> {
  const response = await fetch(url, { headers, signal });
  for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>);
  return [];
}
