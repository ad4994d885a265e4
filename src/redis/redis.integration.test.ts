import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { eventually } from '../../test/support/eventually.js';
import { TestRedis } from '../../test/support/redis.js';
import { silentLog, type BerthError } from '../kernel/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';
import { RedisServer } from './index.js';

describe('a RedisServer', () => {
  const opened: (RedisServer | TestRedis)[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse())
      await (each instanceof TestRedis ? each.remove() : each.close());
  });

  async function start(settings: Record<string, string> = {}): Promise<TestRedis> {
    const redis = await TestRedis.start({ settings });
    opened.push(redis);
    return redis;
  }
  async function open(url: string, log = new RecordingLog()): Promise<RedisServer> {
    const server = new RedisServer(url, randomUUID(), log);
    opened.push(server);
    await server.open();
    return server;
  }
  async function refusal(url: string): Promise<string> {
    const error = (await open(url).catch((thrown: unknown) => thrown)) as BerthError;
    expect(error).toMatchObject({ code: 'redis-unavailable' });
    return error.message;
  }

  it('says what to do when nobody is there', async () => {
    const message = await refusal('redis://:xyzzy@127.0.0.1:1/2');
    expect(message).toMatch(/REDIS_URL, at 127\.0\.0\.1:1\): .*ECONNREFUSED/);
    expect(message).toMatch(/Start it or correct REDIS_URL/);
    expect(message).not.toContain('xyzzy');
  });

  it('logs in, to the database that was asked for, and says when it may not', async () => {
    const redis = await start({ requirepass: 'p@ss/wörd' });
    const server = await open(`${redis.url}/7`);
    await server.commands.set('here', '1');
    expect(await server.commands.info('keyspace')).toMatch(/db7:keys=1/);
    const message = await refusal(`redis://:xyzzy@127.0.0.1:${redis.port}`);
    expect(message).toMatch(/WRONGPASS/);
    expect(message).not.toContain('xyzzy');
    expect(await refusal(`redis://127.0.0.1:${redis.port}`)).toMatch(/NOAUTH/);
    expect(await refusal(`${redis.url}/99`)).toMatch(/DB index is out of range/);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['a well-kept one', {}, []],
    ['one that writes nothing down', { appendonly: 'no' }, ['appendonly yes']],
    ['one that saves snapshots', { appendonly: 'no', save: '3600 1' }, []],
    [
      'one that throws keys away',
      { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb' },
      ['maxmemory-policy noeviction'],
    ],
    [
      'one of both kinds',
      { appendonly: 'no', 'maxmemory-policy': 'volatile-lru' },
      ['appendonly yes', 'maxmemory-policy noeviction'],
    ],
    // As managed ones do.
    ['one that hides its settings', { appendonly: 'no', 'rename-command': 'CONFIG ""' }, []],
  ])('warns once about %s, or not at all', async (_, settings, advice) => {
    const redis = await start(settings);
    const log = new RecordingLog();
    await open(redis.url, log);
    const warnings = log.messages('warn');
    expect(warnings).toHaveLength(advice.length > 0 ? 1 : 0);
    for (const each of advice) expect(warnings[0]).toContain(`set "${each}"`);
  });

  it('works for a login that may neither ask for settings nor touch foreign keys', async () => {
    const redis = await start({ user: 'berth on >secret ~berth:* &berth:* +@all -@dangerous -@admin' });
    const server = await open(`redis://berth:secret@127.0.0.1:${redis.port}`);
    await server.commands.set(`${server.prefix}:x`, '1');
    await expect(server.commands.set('foreign', '1')).rejects.toThrow('NOPERM');
  });

  it('fails at once while there is none, says so once, and is back by itself', async () => {
    const redis = await start();
    const log = new RecordingLog();
    const server = await open(redis.url, log);
    await redis.kill();
    const begun = performance.now();
    for (let times = 0; times < 20; times++) await expect(server.commands.ping()).rejects.toThrow();
    expect(performance.now() - begun).toBeLessThan(1000);
    const waiting = server.patient.ping();
    await redis.start();
    expect(await waiting).toBe('PONG');
    await eventually('it answers', () =>
      server.commands.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(log.messages('warn')).toEqual([
      expect.stringContaining('the connection to Redis (REDIS_URL) was lost'),
    ]);
    expect(log.messages('info')).toEqual(['Redis answers again']);
  });

  it('does not wait long for one that is there and silent, nor at the end', async () => {
    const redis = await start();
    const server = await open(redis.url);
    await redis.pause();
    await expect(server.commands.ping()).rejects.toThrow('timed out');
    const begun = performance.now();
    await server.close();
    expect(performance.now() - begun).toBeLessThan(4000);
    await redis.resume();
  });

  it('speaks TLS, to a server whose certificate it can trust alone', async () => {
    const plain = await start();
    const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) =>
      path.join(plain.directory, name),
    ) as [string, string];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        ...names,
        '-keyout',
        key,
        '-out',
        certificate,
      ],
      { stdio: 'ignore' },
    );
    const port = plain.port + 1;
    const tls = { 'tls-cert-file': certificate, 'tls-key-file': key, 'tls-auth-clients': 'no' };
    await start({ ...tls, 'tls-port': String(port) });
    const url = `rediss://localhost:${port}`;
    expect(await refusal(url)).toMatch(/self-signed certificate/);
    // What is trusted is read at the start of a process.
    const program = `
      const { RedisServer } = await import('./src/redis/index.ts');
      const { silentLog } = await import('./src/kernel/index.ts');
      const server = new RedisServer(${JSON.stringify(url)}, 'x', silentLog);
      await server.open();
      console.log(await server.commands.ping());
      await server.close();`;
    const said = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      env: { NODE_EXTRA_CA_CERTS: certificate },
    });
    expect(said.toString().trim()).toBe('PONG');
  });

  it('closes without having been open', async () => {
    await new RedisServer('redis://127.0.0.1:1', 'x', silentLog).close();
  });
});
