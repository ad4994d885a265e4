/**
 * The proxy process. Berth starts it as a child with an IPC channel and tells it what to open; see README.md. It ends when Berth ends, however
 * that comes about. Started by anybody else it is the proxy on its own (docs/proxy-alone.md).
 */
import './memory.js';
import type { ProxyMessage } from '../contracts/proxy.js';
import { messageOf } from '../kernel/index.js';
import { createLog } from './log.js';
import { ParentChannel } from './parent-channel.js';

const OWNER_ONLY = 0o077;

const log = createLog();

function end(code: number): never {
  log.flush();
  process.exit(code);
}

function crash(error: unknown): never {
  // Type and place only in the log's own fields; what was thrown may carry a request.
  const stack = error instanceof Error ? error.stack : undefined;
  log.error({ reason: messageOf(error), stack }, 'proxy failed');
  return end(1);
}

function send(message: ProxyMessage): void {
  // The channel may have closed since; 'disconnect' follows and ends the process.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function run(): void {
  // Sockets are born private; a chmod afterwards alone would leave a moment in which others could connect.
  process.umask(OWNER_ONLY);
  const channel = new ParentChannel({ send }, { log });
  process.on('message', (message) => void channel.receive(message));
  // The parent is gone, perhaps killed: nothing may go on handing out credentials.
  process.on('disconnect', () => end(0));
  // Ctrl+C reaches the whole group; Berth stops the runners first and the proxy last.
  process.on('SIGINT', () => undefined);
  process.once('SIGTERM', () => void channel.close().then(() => end(0), crash));
}

async function runWithoutParent(): Promise<void> {
  // Loaded only here: the proxies inside of Berth have no use for it, and stay smaller.
  const { runAlone } = await import('./alone/run.js');
  await runAlone(log, end);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
if (process.connected) run();
else {
  runWithoutParent().catch((error: unknown) => {
    log.error({ reason: messageOf(error) }, 'the proxy cannot start');
    end(1);
  });
}
