import type { RedisOptions } from 'ioredis';

/** Where a REDIS_URL leads, as the client takes it. The configuration has checked its form. */
export function addressOf(redisUrl: string): RedisOptions {
  const { protocol, hostname, port, username, password, pathname } = new URL(redisUrl);
  return {
    // A URL has IPv6 addresses in brackets, a socket does not.
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1)),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

/** The same for people: host and port, never the login. */
export function placeOf(redisUrl: string): string {
  const { hostname, port } = new URL(redisUrl);
  return `${hostname}:${port === '' ? '6379' : port}`;
}
