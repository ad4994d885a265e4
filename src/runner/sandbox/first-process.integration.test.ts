import { readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { until } from '../support/until.js';
import { spawnGroup } from './process.js';

/** Pids of living processes whose command line ends in the words. */
function running(words: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().endsWith(words);
      } catch {
        return false;
      }
    });
}

describe('the first process of a sandbox', () => {
  const words = `tail -s ${process.pid}.5 -f /dev/null`;
  /** Without `--die-with-parent`, as after an agent that took the request back: the end of bwrap ends nothing. */
  const start = () =>
    spawnGroup({
      command: 'bwrap',
      args: [
        ...[
          '--info-fd',
          '3',
          '--unshare-all',
          '--new-session',
          '--ro-bind',
          '/',
          '/',
          '--proc',
          '/proc',
          '--dev',
          '/dev',
        ],
        ...['sh', '-c', `echo started; exec ${words}`],
      ],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: '/',
      stdin: 'ignore',
      tellsFirstProcess: true,
    });

  it('is ended by its number, and everything inside with it', async () => {
    const child = start();
    await once(child.stdout, 'data');
    expect(running(words).length).toBeGreaterThanOrEqual(2);

    child.kill();

    // It settles only once nobody inside holds the output any more.
    expect(await child.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await until('all are gone', () => running(words).length === 0);
  });

  it('is ended also when the end was asked for before its number was known', async () => {
    const child = start();
    child.kill();
    await child.exit;
    await until('all are gone', () => running(words).length === 0);
  });
});
