import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const MODULE = pathToFileURL(join(import.meta.dirname, 'inherited-files.ts')).href;
const DESCRIPTOR = 200;

describe('files that the runner was started with', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-inherited-'));
    writeFileSync(join(folder, 'secret'), 'secret of who started it');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What a program sees that Node starts, when Node was started with one more open file. */
  function seenBy(call: string): string {
    const script = `
      const { closeInheritedFiles } = await import(${JSON.stringify(MODULE)});
      const { spawnSync } = await import('node:child_process');
      ${call}
      const { stdout, stderr } = spawnSync('cat', ['/proc/self/fd/${DESCRIPTOR}'], { encoding: 'utf8' });
      const answer = await fetch('data:,alive').then((response) => response.text());
      process.stdout.write(answer + ' ' + stdout + (stderr === '' ? '' : 'nothing'));`;
    const command = `exec ${DESCRIPTOR}< "$1"; shift; exec "$@"`;
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
    return execFileSync('/bin/bash', ['-c', command, 'bash', join(folder, 'secret'), ...node], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin' },
      // With a socket as its input, bash takes itself for a remote shell and reads the user's settings.
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  it('are handed on to what it starts, unless they are closed', () => {
    expect(seenBy('')).toBe('alive secret of who started it');
    expect(seenBy('closeInheritedFiles();')).toBe('alive nothing');
  });
});
