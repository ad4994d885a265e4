import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { FirstProcess } from './first-process.js';
import type { ProcessExit, SandboxProcess } from './sandbox.js';

export interface SpawnRequest {
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  stdin: 'pipe' | 'ignore';
  /** True: descriptor 3 is bwrap's `--info-fd`. */
  tellsFirstProcess?: boolean;
  /** What the command reads from descriptor 4. */
  input?: Buffer | null;
}

/**
 * Starts a program as the leader of a process group of its own, so that `kill` reaches what it started. The environment is given
 * whole: Node would otherwise hand on the runner's.
 */
export function spawnGroup(request: SpawnRequest): SandboxProcess {
  const child = spawn(request.command, request.args, {
    cwd: request.cwd,
    env: { ...request.env },
    stdio: [
      request.stdin,
      'pipe',
      'pipe',
      request.tellsFirstProcess === true ? 'pipe' : 'ignore',
      request.input ? 'pipe' : 'ignore',
    ],
    detached: true,
  });
  // The types know three descriptors by name; the first two outputs are pipes, as asked for above.
  const [stdin, stdout, stderr, info, input] = child.stdio as unknown as [
    Writable | null,
    Readable,
    Readable,
    Readable | null,
    Writable | null,
  ];
  const first = info === null ? null : new FirstProcess(info);
  let ended = false;
  const kill = (): void => {
    // A number that was given back may already belong to somebody else.
    if (child.pid !== undefined && !ended) {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // ESRCH: the whole group is gone, which is what was asked for.
      }
    }
    first?.end();
  };
  const exit = new Promise<ProcessExit>((resolve, reject) => {
    child.once('error', reject);
    // A background process left by the command would keep the pipes open, and `close` would never come.
    child.once('exit', () => {
      kill();
      ended = true;
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  // The owner may look at `exit` late; a failed start must not end the runner before that.
  exit.catch(() => undefined);
  // EPIPE: the command ended before it read everything. Its exit says so.
  for (const pipe of [stdin, input]) pipe?.on('error', () => undefined);
  input?.end(request.input);
  return { stdin, stdout, stderr, exit, kill };
}
