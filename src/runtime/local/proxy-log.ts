import type { Readable } from 'node:stream';
import type { Log } from '../../kernel/index.js';

/** Longer lines are cut: a process must not fill Berth's memory or its log with one line. */
const MAX_LINE_LENGTH = 8192;
/** pino's numbers. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 };

/** Writes each line of the proxy's stderr to Berth's log, at the level the line names. */
export function relayLines(stream: Readable, log: Log): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (piece: string) => {
    const lines = (rest + piece).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH);
    for (const line of lines) relayLine(line.slice(0, MAX_LINE_LENGTH), log);
  });
  stream.on('end', () => relayLine(rest, log));
  stream.on('error', () => undefined);
}

/** Writes one line: pino's JSON with its own level and fields, anything else (a crash's stack) as a warning. */
export function relayLine(line: string, log: Log): void {
  if (line.trim() === '') return;
  const record = parseRecord(line);
  if (record === null) {
    log.warn({ process: 'proxy', line }, 'proxy wrote');
    return;
  }
  const { level, msg, time: _time, pid: _pid, hostname: _hostname, ...fields } = record;
  const from = { process: 'proxy', ...fields };
  const text = typeof msg === 'string' ? msg : 'proxy wrote';
  const number = typeof level === 'number' ? level : LEVELS.warn;
  if (number >= LEVELS.error) log.error(from, text);
  else if (number >= LEVELS.warn) log.warn(from, text);
  else if (number >= LEVELS.info) log.info(from, text);
  else log.debug(from, text);
}

function parseRecord(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
