import {
  commandLine,
  isOutsideSandbox,
  parseStat,
  readProcess,
  scanProcesses,
  stillLives,
} from './processes.js';

const REST = '5 6 7 34816 8 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200';

describe('parseStat', () => {
  it('reads the fields by proc(5)', () => {
    expect(parseStat(`42 (node) S ${REST}\n`)).toEqual({
      pid: 42,
      parent: 5,
      group: 6,
      session: 7,
      terminal: 34816,
      startTime: '987654',
      state: 'S',
    });
  });

  it.each(['a) Z 1 1 1', '((', 'x ) S 1', 'with space', ')'])('is not fooled by the name %j', (name) => {
    expect(parseStat(`42 (${name}) S ${REST}`)).toMatchObject({ pid: 42, parent: 5, startTime: '987654' });
  });

  it.each(['', 'nonsense', '42 (node) S 1 2', '(node) S'])('says null to %j', (line) => {
    expect(parseStat(line)).toBeNull();
  });
});

describe('reading processes', () => {
  it('finds this process, by pid and in the table', () => {
    const self = readProcess(process.pid);
    expect(self).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(scanProcesses().map(({ pid }) => pid)).toContain(process.pid);
    expect(isOutsideSandbox(process.pid)).toBe(true);
    expect(commandLine(process.pid)[0]).toBe(process.argv0);
  });

  it('tells a process from a later one with its pid', () => {
    const self = readProcess(process.pid);
    expect(stillLives({ pid: process.pid, startTime: self?.startTime ?? '' })).toBe(true);
    expect(stillLives({ pid: process.pid, startTime: '1' })).toBe(false);
  });
});
