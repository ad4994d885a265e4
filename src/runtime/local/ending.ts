import { setTimeout as delay } from 'node:timers/promises';
import { BerthError } from '../../kernel/index.js';
import { barredProcesses, familyOf } from './family.js';
import { type ProcessInfo, scanProcesses, signal, stillLives } from './processes.js';

/** After SIGKILL a process is gone within milliseconds, unless the kernel itself hangs (a dead network disk). */
const KILL_WAIT_MS = 5000;
const LOOK_EVERY_MS = 25;
/** Reading the whole process table costs milliseconds; while a runner ends in order it is read this seldom. */
const REFRESH_EVERY_MS = 250;

/** What belongs to one workspace, as far as it is known; grows while one looks. */
class Family {
  private readonly known = new Map<number, ProcessInfo>();
  /** Numbers of all groups and sessions that members were seen in. */
  private readonly circles = new Set<number>();

  constructor(
    roots: ProcessInfo[],
    private readonly findLeftovers: (table: ProcessInfo[]) => ProcessInfo[],
  ) {
    for (const root of roots) this.known.set(root.pid, root);
  }

  /** Looks again, and says which members live now. */
  living(): ProcessInfo[] {
    const table = scanProcesses();
    const now = new Map(table.map((info) => [info.pid, info]));
    const remembered = [...this.known.values()]
      .map((member) => ({ member, found: now.get(member.pid) }))
      // A pid with another start time is somebody else's process by now; it must not be touched.
      .flatMap(({ member, found }) => (found?.startTime === member.startTime ? [found] : []));
    const barred = barredProcesses();
    const roots = [...remembered, ...this.inKnownCircles(table, now), ...this.findLeftovers(table)];
    const family = familyOf(table, roots, barred);
    this.known.clear();
    for (const member of family) {
      this.known.set(member.pid, member);
      if (!barred.groups.has(member.group)) this.circles.add(member.group);
      if (!barred.sessions.has(member.session)) this.circles.add(member.session);
    }
    return family;
  }

  /** Finds who was forked while one looked, by a parent that is gone by now: the group and session stay. */
  private inKnownCircles(table: ProcessInfo[], now: Map<number, ProcessInfo>): ProcessInfo[] {
    for (const number of this.circles) {
      const leader = now.get(number);
      // Once all members are gone the number may be given to a stranger, who then leads a circle of that name.
      if (leader !== undefined && this.known.get(number)?.startTime !== leader.startTime) {
        this.circles.delete(number);
      }
    }
    return table.filter(({ group, session }) => this.circles.has(group) || this.circles.has(session));
  }
}

/**
 * Ends runners and everything that belongs to them: asks each runner (SIGTERM), waits up to `graceMilliseconds`, then kills what is left
 * until a look at the process table finds nothing. Fails with `runtime-failed` when something cannot be killed.
 *
 * The family is noted before the first signal and again while waiting: once a runner is gone, nothing links the processes of its agent to it.
 */
export async function endProcesses(
  runners: ProcessInfo[],
  findLeftovers: (table: ProcessInfo[]) => ProcessInfo[],
  graceMilliseconds: number,
): Promise<void> {
  const family = new Family(runners, findLeftovers);
  if (family.living().length === 0) return;
  for (const runner of runners) if (stillLives(runner)) signal(runner.pid, 'SIGTERM');
  await waitForRunners(runners, family, graceMilliseconds);
  await killAll(family);
}

async function waitForRunners(runners: ProcessInfo[], family: Family, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  let nextLook = performance.now() + REFRESH_EVERY_MS;
  while (runners.some(stillLives) && performance.now() < end) {
    await delay(LOOK_EVERY_MS);
    if (performance.now() < nextLook) continue;
    family.living();
    nextLook = performance.now() + REFRESH_EVERY_MS;
  }
}

async function killAll(family: Family): Promise<void> {
  const end = performance.now() + KILL_WAIT_MS;
  // Again and again, and once more when nothing was found: a process may have forked while one looked, or between the look and the kill.
  for (let empty = 0; empty < 2;) {
    const living = family.living();
    empty = living.length === 0 ? empty + 1 : 0;
    if (living.length === 0) continue;
    if (performance.now() >= end) {
      throw new BerthError(
        'runtime-failed',
        'Some processes of the workspace could not be ended. Look at the machine’s disks and mounts, then try again.',
      );
    }
    killOnce(living);
    await delay(LOOK_EVERY_MS);
  }
}

function killOnce(living: ProcessInfo[]): void {
  const barred = barredProcesses();
  // A group is killed in one step, so that nothing in it can fork its way out; it cannot have changed hands while a member lives.
  const groups = new Set(living.filter(stillLives).map((info) => info.group));
  for (const group of groups) if (!barred.groups.has(group)) signal(-group, 'SIGKILL');
  for (const info of living) if (stillLives(info)) signal(info.pid, 'SIGKILL');
}
