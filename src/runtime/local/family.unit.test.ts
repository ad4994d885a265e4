import { type Barred, familyOf } from './family.js';
import type { ProcessInfo } from './processes.js';

const barred: Barred = {
  pids: new Set([0, 1, 100]),
  groups: new Set([0, 100]),
  sessions: new Set([0, 100]),
};

function info(pid: number, parent: number, group = pid, session = group): ProcessInfo {
  return { pid, parent, group, session, terminal: 0, startTime: '5', state: 'S' };
}
const pidsOf = (family: ProcessInfo[]): number[] => family.map(({ pid }) => pid).sort((a, b) => a - b);

const BERTH = info(100, 1);
const RUNNER = info(200, 100);

describe('familyOf', () => {
  it('takes children of children, whatever group they made', () => {
    const table = [BERTH, RUNNER, info(201, 200, 200), info(202, 201), info(203, 202, 203, 202)];
    expect(pidsOf(familyOf(table, [RUNNER], barred))).toEqual([200, 201, 202, 203]);
  });

  it('takes what init adopted out of a session or group of the family, and its children', () => {
    const orphan = info(300, 1, 299, 200);
    const inGroupOfOrphan = info(301, 1, 299, 999);
    const childOfThat = info(302, 301, 302, 302);
    const table = [BERTH, childOfThat, inGroupOfOrphan, orphan, RUNNER];
    expect(pidsOf(familyOf(table, [RUNNER], barred))).toEqual([200, 300, 301, 302]);
  });

  it('leaves other workspaces and Berth alone', () => {
    const table = [BERTH, RUNNER, info(400, 100), info(401, 400), info(500, 1)];
    expect(pidsOf(familyOf(table, [RUNNER], barred))).toEqual([200]);
  });

  it('does not spread through Berth’s own group and session', () => {
    const inBerthsGroup = info(210, 200, 100, 100);
    const neighbour = info(101, 100, 100, 100);
    const table = [BERTH, RUNNER, inBerthsGroup, neighbour];
    expect(pidsOf(familyOf(table, [RUNNER], barred))).toEqual([200, 210]);
  });

  it('never takes Berth or init, even as roots', () => {
    expect(familyOf([BERTH, info(1, 0)], [BERTH, info(1, 0)], barred)).toEqual([]);
  });
});
