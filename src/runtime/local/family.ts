import { isOutsideSandbox, type ProcessInfo, readProcess, workingFolder } from './processes.js';

/** Groups and sessions that must never be ended with a workspace: Berth's own and those of the processes above it. */
export interface Barred {
  pids: ReadonlySet<number>;
  groups: ReadonlySet<number>;
  sessions: ReadonlySet<number>;
}

/** Berth itself and everything above it up to init. */
export function barredProcesses(): Barred {
  const above: ProcessInfo[] = [];
  for (let info = readProcess(process.pid); info !== null; info = readProcess(info.parent)) {
    above.push(info);
    if (info.parent === 0) break;
  }
  return {
    pids: new Set([0, 1, ...above.map((info) => info.pid)]),
    groups: new Set([0, ...above.map((info) => info.group)]),
    sessions: new Set([0, ...above.map((info) => info.session)]),
  };
}

/**
 * The roots, everything they started, and everything in a session or process group of one of those. Sessions and groups find what lost
 * its parent: a child of a child that ended belongs to init then.
 */
export function familyOf(table: ProcessInfo[], roots: ProcessInfo[], barred: Barred): ProcessInfo[] {
  const family = new Map<number, ProcessInfo>();
  const groups = new Set<number>();
  const sessions = new Set<number>();
  const take = (info: ProcessInfo): void => {
    family.set(info.pid, info);
    if (!barred.groups.has(info.group)) groups.add(info.group);
    if (!barred.sessions.has(info.session)) sessions.add(info.session);
  };
  roots.filter((info) => !barred.pids.has(info.pid)).forEach(take);
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const info of table) {
      if (family.has(info.pid) || barred.pids.has(info.pid)) continue;
      if (family.has(info.parent) || groups.has(info.group) || sessions.has(info.session)) take(info);
    }
  }
  return [...family.values()];
}

/**
 * Processes that a runner without a sandbox left behind when it was killed: they work below the workspace's folder, have no terminal, and
 * the leader of their session is gone or is below the folder too. The last two spare a person's shell or editor that merely looks
 * into the folder. Sandboxed ones need no search: bubblewrap ends them with the runner.
 */
export function leftoversBelow(table: ProcessInfo[], folder: string, barred: Barred): ProcessInfo[] {
  const byPid = new Map(table.map((info) => [info.pid, info]));
  const below = (pid: number): boolean => {
    const cwd = workingFolder(pid);
    return cwd !== null && (cwd === folder || cwd.startsWith(`${folder}/`));
  };
  return table.filter((info) => {
    if (barred.pids.has(info.pid) || barred.sessions.has(info.session) || info.terminal !== 0) return false;
    if (!below(info.pid) || !isOutsideSandbox(info.pid)) return false;
    return !byPid.has(info.session) || below(info.session);
  });
}
