import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { leftScratches, makeScratch } from './scratch.js';

const PREFIX = 'berth-scratch-test-';

describe('a folder for what writes much', () => {
  it('is left behind when its maker is gone, and not before', () => {
    const folder = makeScratch(PREFIX);
    expect(existsSync(folder)).toBe(true);
    expect(leftScratches(PREFIX)).not.toContain(folder);
    const gone = folder.replace(`${PREFIX}${process.pid}-`, `${PREFIX}${spawnSync('true').pid}-`);
    renameSync(folder, gone);
    expect(leftScratches(PREFIX)).toEqual([gone]);
    rmSync(gone, { recursive: true });
  });

  it('is nobody’s where its name does not tell whose', () => {
    const folder = makeScratch(PREFIX);
    const unnamed = folder.replace(`${PREFIX}${process.pid}-`, `${PREFIX}path-`);
    renameSync(folder, unnamed);
    expect(leftScratches(PREFIX)).toEqual([]);
    rmSync(unnamed, { recursive: true });
  });
});
