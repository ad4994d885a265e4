// The inner file instead of undici's front door: that one also loads fetch, WebSocket and caches, 8 MB of memory in each idle proxy.
import Pool from 'undici/lib/dispatcher/pool.js';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
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

  constructor(
    private readonly limits: Limits,
    /** Gives addresses of the open internet, and of hosts that who runs Berth named. */
    private readonly publicLookup: LookupFunction,
  ) {}

  /** Where a configured URL leads. User name, password, query and fragment of the URL are ignored. */
  target(url: string): Target {
    const { origin, host, pathname } = new URL(url);
    return { pool: this.#pool(origin, null), host, basePath: basePathOf(pathname) };
  }

  /**
   * As `target`, for URLs that people name: one that leads into a private network is not reached. An address, or this machine's own name, is let through, since it comes from who
   * runs Berth: of people no such URL is taken (src/workspaces/repository.ts).
   */
  publicTarget(url: string): Target {
    const { origin, host, pathname, hostname } = new URL(url);
    const own = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost';
    return { pool: this.#pool(origin, own ? null : this.publicLookup), host, basePath: basePathOf(pathname) };
  }

  /** Cuts every connection. Used at the end of the process and of tests. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }

  #pool(origin: string, lookup: LookupFunction | null): PoolType {
    const key = lookup === null ? origin : `public ${origin}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      const silence = this.limits.upstreamSilenceSeconds * 1000;
      pool = new Pool(origin, {
        pipelining: 1,
        // Longer than undici's 4 s, so that an agent that thinks for a while does not pay for a TLS handshake at each call.
        keepAliveTimeout: 30_000,
        headersTimeout: silence,
        bodyTimeout: silence,
        connect: {
          timeout: this.limits.connectTimeoutSeconds * 1000,
          ...(lookup === null ? {} : { lookup }),
        },
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }
}

function basePathOf(pathname: string): string {
  return pathname.replace(/\/+$/, '');
}
