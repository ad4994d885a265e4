// The inner file instead of undici's front door: that one also loads fetch, WebSocket and caches, 8 MB of memory in each idle proxy.
import Pool from 'undici/lib/dispatcher/pool.js';
import type { Pool as PoolType } from 'undici';
import type { Limits } from './limits.js';

/** A server that requests go to: its connections, and the path that stands before every request path (no slash at its end). */
export interface Target {
  pool: PoolType;
  /** Its name as the Host header has it. */
  host: string;
  basePath: string;
}

/**
 * Keep-alive connections by origin, shared by all workspaces. Sharing is safe: HTTP/1.1 without pipelining carries one exchange at a time, and
 * each request brings its own credential.
 */
export class Pools {
  readonly #pools = new Map<string, PoolType>();

  constructor(private readonly limits: Limits) {}

  /** Where a configured URL leads. User name, password, query and fragment of the URL are ignored. */
  target(url: string): Target {
    const { origin, host, pathname } = new URL(url);
    return { pool: this.#pool(origin), host, basePath: pathname.replace(/\/+$/, '') };
  }

  /** Cuts every connection. Used at the end of the process and of tests. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }

  #pool(origin: string): PoolType {
    let pool = this.#pools.get(origin);
    if (!pool) {
      const silence = this.limits.upstreamSilenceSeconds * 1000;
      pool = new Pool(origin, {
        pipelining: 1,
        // Longer than undici's 4 s, so that an agent that thinks for a while does not pay for a TLS handshake at each call.
        keepAliveTimeout: 30_000,
        headersTimeout: silence,
        bodyTimeout: silence,
        connect: { timeout: this.limits.connectTimeoutSeconds * 1000 },
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}
