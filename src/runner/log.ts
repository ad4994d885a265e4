import { causeFields, currentCause } from '../kernel/cause.js';
import type { Log } from '../kernel/log.js';

/**
 * JSON lines on standard error, one object a line, in pino's shape (`level`, `time`, `msg`), each with the request that caused it where one is known. Not pino itself: a runner per
 * workspace must stay small, and pino costs about 10 MB of resident memory (measured).
 */
export function jsonLog(fields: object): Log {
  const write = (level: number, more: object, message: string): void => {
    process.stderr.write(
      `${JSON.stringify({ level, time: Date.now(), ...fields, ...causeFields(currentCause()), ...more, msg: message })}\n`,
    );
  };
  return {
    debug: () => undefined,
    info: (more, message) => write(30, more, message),
    warn: (more, message) => write(40, more, message),
    error: (more, message) => write(50, more, message),
  };
}
