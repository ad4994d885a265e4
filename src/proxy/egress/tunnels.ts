import { BerthError, matchesHost, type Log } from '../../kernel/index.js';
import type { Limits } from '../limits.js';
import type { AllowedHosts } from './allowed-hosts.js';

/** A tunnel that an agent asked for, from its request to its end. */
export interface Tunnel {
  /** Null until it is known where it leads. */
  readonly host: string | null;
  /** Ends it on both sides at once. */
  cut(): void;
}

export interface TunnelsOptions {
  workspaceId: string;
  allowed: Pick<AllowedHosts, 'ask'>;
  log: Log;
  limits: Pick<Limits, 'withdrawnSeconds'>;
}

/** The tunnels of one workspace. Whether their hosts are still allowed is asked every few seconds, for as long as there are any; not knowing cuts nothing. */
export class Tunnels {
  readonly #open = new Set<Tunnel>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(private readonly options: TunnelsOptions) {}

  /** From now on it is open, until the answer is called. */
  begin(tunnel: Tunnel): () => void {
    if (this.#closed) tunnel.cut();
    this.#open.add(tunnel);
    this.#timer ??= setInterval(() => void this.look(), this.options.limits.withdrawnSeconds * 1000).unref();
    return () => {
      this.#open.delete(tunnel);
      if (this.#open.size > 0 || !this.#timer) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  /** Ends those whose host is not allowed any more. Never rejects. */
  async look(): Promise<void> {
    const { allowed, log, workspaceId } = this.options;
    let hosts: readonly string[];
    try {
      hosts = await allowed.ask();
    } catch (error) {
      if (error instanceof BerthError && error.code === 'forbidden') this.#cutAll();
      return;
    }
    for (const tunnel of this.#open) {
      const { host } = tunnel;
      if (host === null || hosts.some((pattern) => matchesHost(pattern, host))) continue;
      log.info({ workspaceId, host }, 'a tunnel is ended whose host is not allowed any more');
      tunnel.cut();
    }
  }

  /** Ends all, and every one that is asked for later. */
  close(): void {
    this.#closed = true;
    this.#cutAll();
  }

  #cutAll(): void {
    for (const tunnel of this.#open) tunnel.cut();
  }
}
