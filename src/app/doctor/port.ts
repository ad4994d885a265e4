import { createServer } from 'node:net';
import { once } from 'node:events';
import { messageOf } from '../../kernel/index.js';
import { listenError } from '../listen-error.js';
import { fail, ok, warn, type Finding } from './report.js';

const TIMEOUT_MS = 5_000;

/** The address is free, or a Berth answers there and is ready. */
export async function port({ host, port }: { host: string; port: number }): Promise<Finding> {
  const refused = await tryToListen(host, port);
  if (refused === null) return ok(`${host}:${port} is free; no Berth runs there now`);
  if ((refused as NodeJS.ErrnoException).code !== 'EADDRINUSE')
    return fail(messageOf(listenError(refused, host, port)), null);
  const answer = await ask(`http://${reached(host)}:${port}`);
  if (answer === 'ready') return ok(`a Berth runs on ${host}:${port} and is ready`);
  if (answer === null) return fail(messageOf(listenError(refused, host, port)), null);
  return warn(
    `A Berth runs on ${host}:${port} and is not ready: ${answer}`,
    'Wait a moment if it has just started; its log says what it waits for.',
  );
}

async function tryToListen(host: string, port: number): Promise<unknown> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    server.close();
    await once(server, 'close');
    return null;
  } catch (error) {
    return error;
  }
}

/** Who listens on all addresses is reached on loopback. */
function reached(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** `ready`, why not, or null when it is no Berth. */
async function ask(url: string): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${url}/readyz`, { signal, redirect: 'manual' });
    const body = (await response.json()) as { status?: unknown; code?: unknown; detail?: unknown };
    if (response.ok && body.status === 'ready') return 'ready';
    return body.code === 'not-ready' && typeof body.detail === 'string' ? body.detail : null;
  } catch {
    return null;
  }
}
