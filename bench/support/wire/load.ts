import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const SCRIPT = path.join(import.meta.dirname, 'load.lua');

/** What a load measured; times in milliseconds. */
export interface Load {
  requests: number;
  /** Of the whole, per request: what one more request costs at full load. */
  each: number;
  p50: number;
  p99: number;
}

export interface LoadOptions {
  connections: number;
  bodyBytes: number;
  seconds: number;
  /** Null where a proxy puts it on the request. */
  authorization: string | null;
}

/** Asks one address as fast as it answers, for so many seconds, by so many connections (wrk). Throws when a request failed. */
export async function load(
  url: string,
  { connections, bodyBytes, seconds, authorization }: LoadOptions,
): Promise<Load> {
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT, url],
    ...['--', String(bodyBytes), ...(authorization === null ? [] : [authorization])],
  ]);
  const found = /^BENCH (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout)?.slice(1).map(Number);
  const [requests = 0, microseconds = 0, p50 = 0, p99 = 0, failed = 0] = found ?? [];
  if (!found || failed > 0 || requests === 0) throw new Error(`The load on ${url} failed: ${stdout}`);
  return { requests, each: microseconds / 1000 / requests, p50: p50 / 1000, p99: p99 / 1000 };
}
