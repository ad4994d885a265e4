import { loadProxyAlone } from '../../config/proxy-alone.js';
import type { ProxyLog } from '../log.js';
import { Standalone } from './standalone.js';

/** Runs the proxy on its own until it is told to end. Rejects when it cannot start: a variable is wrong or missing, a port is taken. */
export async function runAlone(log: ProxyLog, end: (code: number) => void): Promise<void> {
  const standalone = new Standalone(loadProxyAlone(), { log });
  let isEnding = false;
  const stop = (): void => {
    // Who asks twice does not want to wait for calls under way.
    if (isEnding) {
      end(0);
      return;
    }
    isEnding = true;
    log.info({}, 'the proxy ends');
    standalone.close().then(
      () => end(0),
      () => end(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  await standalone.listen();
}
