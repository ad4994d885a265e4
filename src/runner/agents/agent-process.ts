import type { Log } from '../../kernel/log.js';
import type { SandboxProcess, ProcessExit } from '../sandbox/sandbox.js';
import type { Timer } from '../timer.js';
import { INTERRUPT_GRACE_SECONDS, KILL } from './driver.js';
import { jsonLines, tail, type Fields } from './json.js';

export interface AgentProcessOptions {
  process: SandboxProcess;
  signal: AbortSignal;
  timer: Timer;
  log: Log;
  /** Called for each line the agent writes. */
  onEvent(event: Fields): void;
  /** Asks the agent to stop, by its protocol. */
  interrupt(): void;
  /** Takes secrets out of what goes to the log. */
  clean(text: string): string;
}

/** Writes one JSON message a line to the agent's input. */
export function sendLine(process: SandboxProcess, message: object): void {
  if (process.stdin?.writable === true) process.stdin.write(`${JSON.stringify(message)}\n`);
}

/**
 * Reads an agent's events until its process has ended. When the signal aborts, the agent is asked to stop and gets a few seconds to write down where it was;
 * then its whole group is killed. A process that could not even start ends like one that crashed.
 */
export async function superviseAgent(options: AgentProcessOptions): Promise<ProcessExit> {
  const { process, signal, timer } = options;
  let cancelKill: (() => void) | null = null;
  const stop = (): void => {
    if (signal.reason === KILL) {
      process.kill();
      return;
    }
    options.interrupt();
    cancelKill = timer.after(INTERRUPT_GRACE_SECONDS * 1000, process.kill);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const errors = tail(process.stderr).catch(() => '');
  try {
    for await (const event of jsonLines(process.stdout)) options.onEvent(event);
    const exit = await process.exit;
    if (exit.code !== 0)
      options.log.warn({ ...exit, stderr: options.clean(await errors) }, 'agent process ended');
    return exit;
  } catch (error) {
    options.log.error({ error: String(error) }, 'agent process failed');
    return { code: null, signal: null };
  } finally {
    signal.removeEventListener('abort', stop);
    (cancelKill as (() => void) | null)?.();
    process.kill();
  }
}
