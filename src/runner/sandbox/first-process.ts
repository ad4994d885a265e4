import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

/** Field 22 of `/proc/<pid>/stat` (proc(5)), which with the pid names a process for good; null when there is none. */
function startTimeOf(pid: number): string | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in brackets may hold anything, brackets too: all that counts comes after the last one. Field 3 is then the first.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** The pid in what bwrap writes to `--info-fd`: a JSON object with `child-pid`. */
function pidOf(text: string): number | null {
  try {
    const { 'child-pid': pid } = JSON.parse(text) as { 'child-pid'?: unknown };
    return typeof pid === 'number' && Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/**
 * The first process inside a sandbox: process 1 of its pid namespace, so that the kernel ends all others with it. bwrap ends it when bwrap itself is ended, by a
 * request (PR_SET_PDEATHSIG) that the process could take back, if the agent ever got hold of it: hence by its number, too.
 */
export class FirstProcess {
  #known: { pid: number; startTime: string } | null = null;
  #ending = false;

  /** `info`: what bwrap writes to `--info-fd`, to its end. */
  constructor(info: Readable) {
    let text = '';
    info.setEncoding('utf8');
    info.on('data', (chunk: string) => (text += chunk));
    info.on('error', () => undefined);
    info.once('end', () => {
      const pid = pidOf(text);
      const startTime = pid === null ? null : startTimeOf(pid);
      if (pid !== null && startTime !== null) this.#known = { pid, startTime };
      // The end was asked for before bwrap had said who it is.
      if (this.#ending) this.end();
    });
  }

  /** Ends it (SIGKILL), at once or as soon as its number is known. Harmless when it has ended. */
  end(): void {
    this.#ending = true;
    // A number that was given back may already belong to somebody else.
    if (this.#known === null || startTimeOf(this.#known.pid) !== this.#known.startTime) return;
    try {
      process.kill(this.#known.pid, 'SIGKILL');
    } catch {
      // ESRCH: it went just now.
    }
  }
}
