import { isNativeError } from 'node:util/types';
import { BerthError } from '../kernel/index.js';

/** Why an address could not be had, as `config-invalid` that names the variable to change (codes of listen(2) and getaddrinfo(3)); any other error as it came. */
export function listenError(cause: unknown, host: string, port: number): Error {
  const advice: Record<string, string> = {
    EADDRINUSE: `PORT: something else listens on ${host}:${port} already. Stop it, or set PORT to a free port.`,
    EACCES: `PORT: this user may not listen on ${host}:${port}. Set PORT to 1024 or higher.`,
    EADDRNOTAVAIL: `BERTH_HOST: ${host} is not an address of this machine. Set BERTH_HOST to one, or unset it.`,
    ENOTFOUND: `BERTH_HOST: no address is known for ${host}. Set BERTH_HOST to an address of this machine.`,
  };
  const error = isNativeError(cause) ? cause : new Error(String(cause));
  const message = advice[(error as NodeJS.ErrnoException).code ?? ''];
  return message ? new BerthError('config-invalid', message, { cause }) : error;
}
