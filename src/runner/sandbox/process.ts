import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { ProcessExit, SandboxProcess } from './sandbox.js';

export interface SpawnRequest {
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  stdin: 'pipe' | 'ignore';
}

/**
 * Starts a program as the leader of a process group of its own, so that `kill` reaches what it started. The environment is given
 * whole: Node would otherwise hand on the runner's.
 */
export function spawnGroup(request: SpawnRequest): SandboxProcess {
  const child = spawn(request.command, request.args, {
    cwd: request.cwd,
    env: { ...request.env },
    stdio: [request.stdin, 'pipe', 'pipe'],
    detached: true,
  }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
  let ended = false;
  const kill = (): void => {
    // A number that was given back may already belong to somebody else.
    if (child.pid === undefined || ended) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // ESRCH: the whole group is gone, which is what was asked for.
    }
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
  child.stdin?.on('error', () => undefined);
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exit, kill };
}
