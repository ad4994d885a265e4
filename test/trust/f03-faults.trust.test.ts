import { setTimeout as delay } from 'node:timers/promises';
import { STALE_SECONDS } from '../../src/credentials/renewal/claims.js';
import { FaultGround, type HurtRenewal } from '../support/fault-ground.js';
import { cells, cellsInGrace, steps, type Cell, type Step } from '../support/renewal-faults.js';
import type { RenewingProcess } from '../support/renewing-process.js';
import { figure, playsInFull, type Findings } from './figure.js';

/** What is expected of each step in one of two ways to hurt it. */
type Expected = Record<'killed' | 'stopped', Partial<Record<Step, Cell>>>;

const STOPPED_SECONDS = 2 * STALE_SECONDS;
const GRACE_SECONDS = 90;
/** So many of each step and fault side by side. */
const ABREAST = playsInFull ? 3 : 1;
/** All of them are played once by test/e2e/renewal-faults.e2e.test.ts, at each `npm test`. */
const PLAYED: readonly Step[] = playsInFull ? steps : ['opened', 'acted'];
const STARTED_AT_ONCE = 2;
/** As if the processes had been gone for so long. */
const AGE = `UPDATE credential_rotation SET heartbeat_at = now() - interval '1 hour' WHERE state = 'open'`;
const told = {
  countedAt:
    'the book of the emulated token endpoint; rows of the credential, its audit and events; what leases hold',
  time: 'real' as const,
  fullMinutes: 40,
};

/** Processes that renew, ready beforehand: starting one takes longer than hurting it. */
class Processes {
  readonly #lasting: RenewingProcess[] = [];
  #next: Promise<RenewingProcess[]> = Promise.resolve([]);

  constructor(private readonly ground: FaultGround) {}

  /** To be killed. Those of the next round are started meanwhile. */
  async doomed(count: number, isLast: boolean): Promise<RenewingProcess[]> {
    const ready = await this.#next;
    const all = ready.length > 0 ? ready : await this.start(count);
    this.#next = isLast ? Promise.resolve([]) : this.start(count);
    return all;
  }

  /** To be stopped, again and again. */
  async lasting(count: number): Promise<RenewingProcess[]> {
    this.#lasting.push(...(await this.start(count - this.#lasting.length)));
    return this.#lasting;
  }

  async end(): Promise<void> {
    await Promise.all(this.#lasting.map((process) => process.kill()));
  }

  private async start(count: number): Promise<RenewingProcess[]> {
    const all: RenewingProcess[] = [];
    while (all.length < count) {
      const next = Math.min(STARTED_AT_ONCE, count - all.length);
      all.push(...(await Promise.all(Array.from({ length: next }, () => this.ground.process()))));
    }
    return all;
  }
}

/** One login whose renewal is hurt, and what is expected of it. */
interface Hurt {
  step: Step;
  cell: Cell;
  renewal: HurtRenewal;
}

async function runOut(expected: Partial<Record<Step, Cell>>): Promise<Hurt[]> {
  const wanted = PLAYED.flatMap((step) => {
    const cell = expected[step];
    return cell ? Array.from({ length: ABREAST }, () => ({ step, cell })) : [];
  });
  const all: Hurt[] = [];
  for (const one of wanted) all.push({ ...one, renewal: await ground.runOut() });
  return all;
}

/** Brought to its step, one after the other; then `hurt`, at once. Answers how to find out what came of each. */
async function hurtAll(
  all: Hurt[],
  processes: RenewingProcess[],
  hurt: (process: RenewingProcess) => Promise<void>,
): Promise<((over?: number) => Promise<string[]>)[]> {
  const ends: ((over?: number) => Promise<string[]>)[] = [];
  for (const [at, { step, cell, renewal }] of all.entries()) {
    const process = processes[at];
    if (!process) throw new Error('There is a process for each.');
    await ground.bringTo(step, renewal, process);
    await hurt(process);
    const since = performance.now();
    const waiting = renewal.waits();
    // Whatever comes of it is told by who looks, later.
    waiting.catch(() => undefined);
    ends.push(async (over) => renewal.breaches(cell, await waiting, since, over));
  }
  return ends;
}

/** Each step hurt, and what came of it against what the matrix says. */
async function round(
  processes: Processes,
  { expected, isLast }: { expected: Expected; isLast: boolean },
  findings: Findings,
): Promise<void> {
  const note = async (name: string, found: Promise<string[]>): Promise<void> => {
    for (const breach of await found.catch((error: unknown) => [String(error)]))
      findings.breach(`${name}: ${breach}`);
    findings.tried += 1;
  };
  const toKill = await runOut(expected.killed);
  // A small run hastens what the database's clock says, instead of waiting; whoever is stopped cannot be hastened.
  const toStop = playsInFull ? await runOut(expected.stopped) : [];
  const doomed = await processes.doomed(toKill.length, isLast);
  const lasting = await processes.lasting(toStop.length);
  const killed = await hurtAll(toKill, doomed, (process) => process.kill());
  const stopped = await hurtAll(toStop, lasting, (process) => {
    process.stop();
    return Promise.resolve();
  });
  if (!playsInFull) await ground.sql(AGE);
  const ended = toKill.map(({ step }, at) => note(`killed ${step}`, killed[at]?.() ?? nobody));
  if (toStop.length > 0) await delay(STOPPED_SECONDS * 1000);
  ground.letGo(lasting);
  const over = performance.now();
  // One that was stopped while it waited for a connection finds that it waited too long. It would be run again as a job; what holds then is looked at below.
  await Promise.allSettled(lasting.map((process) => process.finished()));
  await Promise.all([
    ...ended,
    ...toStop.map(({ step }, at) => note(`stopped ${step}`, stopped[at]?.(over) ?? nobody)),
  ]);
}

const nobody = Promise.resolve(['it was not played']);

let ground: FaultGround;
beforeAll(async () => {
  ground = await FaultGround.start();
});
afterAll(() => ground.close());

async function play(findings: Findings, expected: Expected, graceSeconds: number): Promise<void> {
  ground.graceSeconds = graceSeconds;
  const processes = new Processes(ground);
  findings.tried = 0;
  for (let played = 1; played <= findings.rounds; played++)
    await round(processes, { expected, isLast: played === findings.rounds }, findings);
  await processes.end();
}

figure(
  {
    ...told,
    id: 'F3',
    scenario: `kill -9, and SIGSTOP for ${STOPPED_SECONDS} s (twice as long as a heartbeat may be old), of a process that renews, at each of the ${steps.length} steps of docs/renewal-faults.md, while a workspace waits and a key may take the login’s place`,
    line: '0 logins lost but those whose fate nobody can know; for these no second use of the refresh token, "reconnect", the next credential and a notice within 30 s',
    rounds: { small: 1, full: 17 },
  },
  (findings) => play(findings, cells, 0),
);

figure(
  {
    ...told,
    id: 'F3 grace',
    scenario: `the same at the steps of which nobody knows, with a provider that answers a spent refresh token again for ${GRACE_SECONDS} s`,
    line: 'asked once more and never again: the login goes on, and who waited has its token within 30 s',
    rounds: { small: 1, full: 2 },
  },
  (findings) => play(findings, cellsInGrace, GRACE_SECONDS),
);

// That this can fail: a database that forgets that a provider was called. Then whoever finds the row of a process that is gone takes it for one that has not called, and uses the refresh token again.
figure(
  {
    ...told,
    id: 'F3 broken',
    scenario: 'a kill after the provider has acted, where it is not written down that it was called',
    line: 'the book shows the second use, which ends the login',
    rounds: { small: 1, full: 1 },
  },
  async (findings) => {
    ground.graceSeconds = 0;
    await ground.sql(
      `CREATE FUNCTION forgetful() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.called_at := NULL; RETURN NEW; END $$;
       CREATE TRIGGER forgetful BEFORE UPDATE ON credential_rotation FOR EACH ROW EXECUTE FUNCTION forgetful()`,
    );
    const process = await ground.process();
    const renewal = await ground.runOut();
    await ground.bringTo('acted', renewal, process);
    await process.kill();
    await ground.sql(AGE);
    await renewal.waits();
    const did = renewal.outcomes.join(', ');
    findings.expect(did === 'renewed, reused', `nothing was found: this figure cannot fail (${did})`);
    findings.number('the book without it', did);
  },
);
