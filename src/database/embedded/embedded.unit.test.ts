import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Secret } from '../../kernel/index.js';
import { parsePostmasterFile } from './cluster.js';
import { identityState, isAlive, isPostgresOn, parseProcStat, poll, processIdentity } from './processes.js';
import { scramVerifier } from './scram.js';

describe('parsePostmasterFile', () => {
  it.each([
    [
      'a running server',
      '4711\n/data\n1700000000\n25001\n\n127.0.0.1\n 1 2\nready\n',
      { pid: 4711, port: 25001 },
    ],
    ['a file that is being written', '4711\n/data\n', undefined],
    ['a single-user backend', '-4711\n/data\n1700000000\n0\n', undefined],
    ['an empty file', '', undefined],
    ['something else', 'hello\nworld\n\nport\n', undefined],
  ])('reads %s', (_what, text, expected) => {
    expect(parsePostmasterFile(text)).toEqual(expected);
  });
});

describe('parseProcStat', () => {
  it('is not misled by brackets and blanks in the name of the program', () => {
    const after = ['S', ...Array.from({ length: 18 }, (_, index) => String(index)), '987654', 'rest'].join(
      ' ',
    );
    expect(parseProcStat(`12 (a) b (c) ${after}`)).toEqual({ state: 'S', startTime: '987654' });
    expect(parseProcStat('')).toBeUndefined();
  });
});

describe('the identity of a process', () => {
  it('tells a living process from one that is gone and from one that got its number', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const identity = processIdentity(child.pid ?? 0);
    expect(identityState(identity)).not.toBe('gone');
    expect(isAlive(child.pid ?? 0)).toBe(true);
    if (process.platform === 'linux') {
      expect(identityState(identity)).toBe('alive');
      expect(identityState(`${child.pid ?? 0}-1`)).toBe('gone');
    }
    expect(await isPostgresOn(child.pid ?? 0, '/data')).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(identityState(identity)).toBe('gone');
  });

  it.each(['', 'x', '0', '-1', 'NaN-3'])('takes %j for nobody', (identity) => {
    expect(identityState(identity)).toBe('gone');
  });
});

describe('poll', () => {
  it('gives the first value, and undefined when the time is over', async () => {
    let asked = 0;
    const third = (): string | undefined => ((asked += 1) === 3 ? 'yes' : undefined);
    expect(await poll(third, { timeoutMs: 5_000, intervalMs: 1 })).toBe('yes');
    expect(await poll<string>(() => undefined, { timeoutMs: 5, intervalMs: 1 })).toBeUndefined();
  });
});

describe('scramVerifier', () => {
  it('is what Postgres 18 stores for the same password and salt', () => {
    const salt = Buffer.from('k/vJn2exZQWx7RKb7+8dBA==', 'base64');
    expect(scramVerifier(new Secret('pencil'), salt)).toBe(
      'SCRAM-SHA-256$4096:k/vJn2exZQWx7RKb7+8dBA==$7SbLiRas9QmyZJIrXuy7eb4uYNOYtZFXSWnLLJpoz6E=:vQlJWEJeKlTcRkbbtVVzR50BukfP4e7QAABe+fFCa/s=',
    );
  });

  it('never repeats and never holds the password', () => {
    const [first, second] = [scramVerifier(new Secret('pencil')), scramVerifier(new Secret('pencil'))];
    expect(first).not.toBe(second);
    expect(first).not.toContain('pencil');
  });
});
