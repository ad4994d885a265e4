import { randomUUID } from 'node:crypto';
import type { WorkspaceState, WorkspaceView } from '../../src/contracts/index.js';
import { BerthError } from '../../src/kernel/index.js';
import type { FakeRuntime } from '../../src/runtime/testing/fake-runtime.js';
import { deadlines, TOLD_AFTER_SECONDS } from '../../src/workspaces/deadlines.js';
import { Bench } from '../support/bench.js';
import { TestRunner } from '../support/machines.js';
import { figure, type Findings } from './figure.js';

/**
 * Seen to fail: without `restless` in the sweep, a runner lives on in a workspace that sleeps; with `waitOf` answering nothing, nothing says why a state lasts.
 */

const SEED = 20_261_125;
const ALIVE = 8;
const SETTLE_EVERY = 50;
const SECOND_MS = 1000;
const SWEEP_SECONDS = 15;

type Fault = 'none' | 'refused' | 'lost' | 'slow' | 'half-created' | 'name clash';

describe('a random walk', () => {
  figure(
    {
      id: 'F21',
      scenario:
        'all operations and all acts of a runner, while the runtime is slow, refuses, loses its answers, makes half of a machine, finds its name taken, or loses its node',
      line: 'no state older than its deadline; every state can be deleted and failed retried; each stuck phase names a cause; rows equal facts within 60 s',
      rounds: { small: 100, full: 10_000 },
      countedAt: 'rows, the API’s answers, and the runtime’s list of what lives',
      time: 'injected',
      fullMinutes: 60,
    },
    async (findings) => {
      const bench = await Bench.start();
      try {
        await new Walk(bench, findings).go();
      } finally {
        await bench.close();
      }
    },
  );
});

interface Row {
  id: string;
  state: WorkspaceState;
  desired_state: string;
  age: number;
}

class Walk {
  readonly #random = randomOf(SEED);
  readonly #runners = new Map<string, TestRunner>();
  readonly #counts = new Map<string, number>();
  #fault: Fault = 'none';
  #isNodeGone = false;

  constructor(
    private readonly bench: Bench,
    private readonly findings: Findings,
  ) {
    this.#makeFaulty(bench.app.runtime);
  }

  async go(): Promise<void> {
    for (let step = 1; step <= this.findings.rounds; step++) {
      await this.#step();
      if (step % SETTLE_EVERY === 0) await this.#settle();
    }
    await this.#settle();
    this.findings.number('seed', SEED);
    for (const [what, times] of [...this.#counts].sort()) this.findings.number(what, times);
  }

  async #step(): Promise<void> {
    const rows = await this.#rows();
    const row = this.#pick(rows);
    if (!row || (rows.length < ALIVE && this.#random() < 0.2)) {
      this.#count('create');
      await this.bench.create();
      return;
    }
    const acts: [string, () => Promise<unknown>][] = [
      ['reconcile', () => this.#reconcile(row.id)],
      ['reconcile', () => this.#reconcile(row.id)],
      ['runner says hello and is ready', () => this.#ready(row.id)],
      ['runner says hello and is ready', () => this.#ready(row.id)],
      ['runner fails', () => this.#report(row.id, 'workspace.failed')],
      ['runner polls', () => this.#runner(row.id).commands()],
      ['message', () => this.#ask(row, 'POST', '/messages', [202, 409], { text: 'work' })],
      ['hibernate', () => this.#ask(row, 'POST', '/hibernate', [202, 409])],
      ['wake', () => this.#wake(row)],
      ['wake', () => this.#wake(row)],
      ['delete', () => this.#ask(row, 'DELETE', '', [202])],
      ['a runner dies', () => later(() => this.bench.app.runtime.crash(row.id))],
      ['a runner comes late', () => later(() => this.bench.app.runtime.resurrect(row.id))],
      ['a machine without a row', () => later(() => this.bench.app.runtime.resurrect(randomUUID()))],
      ['node gone', () => later(() => this.#loseNode())],
      ['node back', () => Promise.resolve((this.#isNodeGone = false))],
      ...(['refused', 'lost', 'slow', 'half-created', 'name clash'] as const).map(
        (fault): [string, () => Promise<unknown>] => [fault, () => Promise.resolve((this.#fault = fault))],
      ),
      ['time', () => this.#passTime(Math.ceil(this.#random() * 600))],
      ['time', () => this.#passTime(SWEEP_SECONDS)],
      ['time', () => this.#passTime(SWEEP_SECONDS)],
    ];
    const [what, act] = this.#pick(acts) ?? ['', () => Promise.resolve()];
    this.#count(what);
    await act();
  }

  /** Every state takes a deletion, and whatever else is asked is done or refused in words. */
  async #ask(
    { id, state }: Row,
    method: 'POST' | 'DELETE',
    rest: string,
    fine: number[],
    body?: object,
  ): Promise<number> {
    const path = this.bench.api.path(`/workspaces/${id}${rest}`);
    const { status } = await this.bench.api.call(method, path, body);
    // Gone meanwhile: a deletion that was under way.
    this.findings.expect(
      [...fine, 404].includes(status),
      `${method} ${rest} of a ${state} workspace answered ${status}`,
    );
    return status;
  }

  async #wake(row: Row): Promise<void> {
    const status = await this.#ask(row, 'POST', '/wake', row.desired_state === 'deleted' ? [409] : [202]);
    if (row.state !== 'failed' || status !== 202) return;
    const { state } = await this.bench.api.workspace(row.id);
    this.findings.expect(
      ['provisioning', 'waking'].includes(state),
      `a failed workspace that was woken is ${state}`,
    );
  }

  #runner(id: string): TestRunner {
    const request = this.bench.app.runtime
      .callsOf('start')
      .findLast((call) => call.workspaceId === id)?.request;
    const known = this.#runners.get(id);
    if (known && known.token === request?.runnerToken) return known;
    const runner = new TestRunner(this.bench.app, request?.runnerToken ?? 'none');
    this.#runners.set(id, runner);
    return runner;
  }

  async #ready(id: string): Promise<void> {
    await this.#runner(id).hello();
    await this.#report(id, 'workspace.prepared');
  }

  async #report(id: string, type: 'workspace.prepared' | 'workspace.failed'): Promise<void> {
    const runner = this.#runner(id);
    const [item] = runner.number(
      type === 'workspace.failed' ? { type, code: 'no-space', message: 'No space left.' } : { type },
    );
    const answer = item && (await runner.send([item]));
    if (answer?.status !== 200 || answer.body.acknowledged !== runner.n) runner.n--;
  }

  async #reconcile(id: string): Promise<void> {
    // A job that fails is tried again by the queue and the sweep.
    await this.bench.reconcile(id).catch(() => undefined);
  }

  #loseNode(): void {
    this.#isNodeGone = true;
    for (const { workspaceId } of this.bench.app.runtime.callsOf('start'))
      this.bench.app.runtime.crash(workspaceId);
  }

  /** Time passes, and at its end a sweep looks: what it leaves must be within its deadline, and say why. */
  async #passTime(seconds: number): Promise<void> {
    this.bench.clock.advance(seconds * SECOND_MS);
    await this.#sweep();
    for (const row of await this.#rows()) await this.#check(row);
  }

  async #sweep(): Promise<void> {
    const found = await this.bench.sweep.findings().catch(() => null);
    if (!found) return;
    for (const { workspaceId } of found.due) await this.#reconcile(workspaceId);
    await this.bench.sweep.carryOut({ due: [], orphans: found.orphans });
  }

  async #check({ id, state, age }: Row): Promise<void> {
    if (!(state in deadlines)) return;
    const { minutes, then } = deadlines[state as keyof typeof deadlines];
    this.findings.expect(
      then === 'tell' || age < minutes * 60,
      `${state} for ${age} s, longer than ${minutes} minutes`,
    );
    if (age < TOLD_AFTER_SECONDS) return;
    const { status, body } = await this.bench.api.call<WorkspaceView>(
      'GET',
      this.bench.api.path(`/workspaces/${id}`),
    );
    if (status === 404) return;
    this.#count('causes seen');
    this.findings.expect(body.stateReason !== null, `${state} for ${age} s, and nothing says why`);
    const waitsFor = (await this.bench.operations(id)).at(-1)?.waitsFor;
    this.findings.expect(Boolean(waitsFor), `${state} for ${age} s, and its operation does not say why`);
  }

  /** The faults end; a minute later rows and facts are the same. */
  async #settle(): Promise<void> {
    this.#fault = 'none';
    this.#isNodeGone = false;
    for (let seconds = 0; seconds < 60; seconds += SWEEP_SECONDS) {
      this.bench.clock.advance(SWEEP_SECONDS * SECOND_MS);
      await this.#sweep();
    }
    this.#count('settled');
    const { runtime } = this.bench.app;
    const [rows, lives, there] = [await this.#rows(), new Set(await runtime.running()), await runtime.list()];
    for (const { id, state, desired_state } of rows) {
      const shouldLive = ['provisioning', 'waking', 'running'].includes(state);
      this.findings.expect(desired_state !== 'deleted', `deleted a minute ago, and still ${state}`);
      this.findings.expect(
        lives.has(id) === shouldLive,
        `${state}, and its runner ${shouldLive ? 'does not live' : 'lives'}`,
      );
    }
    const known = new Set(rows.map(({ id }) => id));
    for (const id of there) this.findings.expect(known.has(id), 'a machine without a row is still there');
  }

  async #rows(): Promise<Row[]> {
    const rows = await this.bench.sql(
      'SELECT id, state, desired_state, state_changed_at FROM workspace ORDER BY id',
    );
    const now = this.bench.clock.now().getTime();
    return rows.map((row) => ({
      ...(row as unknown as Row),
      age: (now - (row.state_changed_at as Date).getTime()) / SECOND_MS,
    }));
  }

  #makeFaulty(runtime: FakeRuntime): void {
    const [start, stop, destroy] = [
      runtime.start.bind(runtime),
      runtime.stop.bind(runtime),
      runtime.destroy.bind(runtime),
    ];
    const meet = async <T>(workspaceId: string, call: () => Promise<T>): Promise<T> => {
      const gone = new BerthError('not-ready', 'The node does not answer.', { retryAfterSeconds: 5 });
      if (this.#isNodeGone) throw gone;
      const fault = this.#fault;
      this.#fault = 'none';
      switch (fault) {
        case 'none':
          return call();
        case 'refused':
          throw new BerthError('runtime-failed', 'The machine refused. Try again.');
        case 'name clash':
          throw new BerthError('runtime-failed', 'There is a machine of that name already.');
        case 'half-created':
          // Its files are there, and no process.
          runtime.resurrect(workspaceId);
          runtime.crash(workspaceId);
          throw new Error('it broke in the middle');
        case 'lost':
          await call();
          throw new Error('the answer was lost');
        case 'slow':
          // Done, but only after its caller has given up.
          void call();
          throw new BerthError('not-ready', 'It did not answer in time.', { retryAfterSeconds: 5 });
      }
    };
    runtime.start = (request) => meet(request.workspaceId, () => start(request));
    runtime.stop = (id) => meet(id, () => stop(id));
    runtime.destroy = (id) => meet(id, () => destroy(id));
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function later(act: () => void): Promise<void> {
  act();
  return Promise.resolve();
}
