import { pino } from 'pino';
import type { Log } from '../kernel/index.js';

const STDERR = 2;

/** The process's logger and the way to empty its buffer before the process ends by itself. */
export interface ProxyLog extends Log {
  flush(): void;
}

/**
 * JSON lines on stderr. Callers log names, paths without query, statuses and durations; never bodies, header values or secrets.
 * Writes are asynchronous: a parent that is slow to read must not hold up the streams of all workspaces.
 */
export function createLog(): ProxyLog {
  const destination = pino.destination({ dest: STDERR, sync: false });
  const logger = pino({ name: 'proxy' }, destination);
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // stderr is gone with the parent; there is no one left to tell.
      }
    },
  };
}
