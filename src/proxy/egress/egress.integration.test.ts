import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { TlsHost } from '../../../test/support/tls-host.js';
import { until } from '../../../test/emulators/until.js';
import { FakeClock } from '../../kernel/index.js';
import { send, sendRaw, textOf } from '../testing/http.js';
import { startProxy, type ProxyUnderTest } from '../testing/proxy-under-test.js';
import { PUBLIC, SmallInternet } from '../testing/small-internet.js';
import { connect, fetchThrough, secure } from '../testing/tunnel.js';

const GOOD = 'good.example';
const WIDE = 'a.wide.example';
const BIG = randomBytes(3_000_000);

it('lets a git host that a person named lead into no private network either', async () => {
  const internet = new SmallInternet();
  internet.names.set('git.example', ['10.0.0.7', PUBLIC]);
  const path = 'git.example/acme/app.git';
  const proxy = await startProxy((_request, response) => response.end(), {
    network: internet,
    git: { path, upstreamUrl: `https://${path}`, pushRefs: [] },
  });
  const call = { method: 'GET', path: `/git/${path}/info/refs?service=git-upload-pack` };
  const answer = await send(proxy.socket, call);
  expect(answer.status).toBe(403);
  expect(answer.body).toMatch(
    /^Berth does not let this workspace reach git.example: its address is in a private/,
  );
  await until('it is told', () => proxy.controlPlane.reports('blocked').length === 1);
  expect(proxy.controlPlane.reports('blocked')[0]).toMatchObject({
    host: 'git.example',
    reason: 'private-address',
  });
  await proxy.close();
});

describe('tunnels', () => {
  let host: TlsHost;
  let internet: SmallInternet;
  let clock: FakeClock;
  let proxy: ProxyUnderTest;
  beforeAll(async () => {
    host = await TlsHost.start([GOOD, WIDE, 'inside.example'], (request, response) => {
      if (request.url === '/big') return void response.end(BIG);
      if (request.url === '/open') return void response.write('begun');
      if (request.url === '/take') {
        const hash = createHash('sha256');
        request.on('data', (chunk: Buffer) => hash.update(chunk));
        request.on('end', () => response.end(hash.digest('hex')));
        return;
      }
      response.end('hello');
    });
  });
  afterAll(() => host.close());
  beforeEach(async () => {
    internet = new SmallInternet();
    internet.port = host.port;
    for (const name of [GOOD, WIDE, 'bad.example']) internet.names.set(name, [PUBLIC]);
    clock = new FakeClock();
    proxy = await startProxy((_request, response) => response.end(), {
      network: internet,
      clock,
      limits: { withdrawnSeconds: 0.05, tunnelIdleSeconds: 20 },
      privateHosts: [
        { name: 'pinned.example', address: '10.1.2.3', port: 8443 },
        { name: 'named.example', address: null, port: null },
      ],
    });
    proxy.controlPlane.allow(GOOD, '*.wide.example', 'inside.example', 'pinned.example', 'named.example');
    host.requests.length = 0;
    host.connections = 0;
  });
  afterEach(() => proxy.close());

  async function opened(name = GOOD, authority = `${name}:443`) {
    const { status, socket } = await connect(proxy.socket, authority);
    expect(status).toBe(200);
    return secure(socket, name, host.certificate);
  }
  const blockedReports = async () => {
    await until('reports', () => proxy.controlPlane.reports('blocked').length > 0);
    return proxy.controlPlane.reports('blocked').map(({ host: name, port, reason }) => [name, port, reason]);
  };

  it.each([
    [GOOD, `${GOOD}:443`],
    [GOOD, 'GOOD.Example.:443'],
    [WIDE, `${WIDE}:443`],
  ])('leads to %s, asked for as %s: to the address that was checked, and to 443', async (name, authority) => {
    expect(await fetchThrough(await opened(name, authority), name)).toMatch(/hello$/);
    expect(host.requests).toEqual([`${name} GET /`]);
    expect(internet.connects).toEqual([[`${PUBLIC} 443`]]);
    expect(internet.lookups).toEqual([name]);
  });

  it('passes much both ways to the byte, each end for itself', async () => {
    const down = await fetchThrough(await opened(), GOOD, '/big');
    expect(down.length).toBeGreaterThan(0);
    const up = await opened();
    up.write(
      `POST /take HTTP/1.1\r\nhost: ${GOOD}\r\nconnection: close\r\ncontent-length: ${BIG.length}\r\n\r\n`,
    );
    up.end(BIG);
    expect(await textOf(up)).toContain(createHash('sha256').update(BIG).digest('hex'));
    await until(
      'both are logged',
      () => proxy.log.lines.filter((line) => line.includes('"outcome":"closed"')).length === 2,
    );
    const lines = proxy.log.lines
      .filter((line) => line.includes('"tunnel"'))
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(lines[0]?.bytesIn).toBeGreaterThan(BIG.length);
    expect(lines[1]?.bytesOut).toBeGreaterThan(BIG.length);
  });

  it.each([
    ['a host that is not on the list', 'bad.example:443', 'not-allowed', ['bad.example', 443]],
    ['the name above a wildcard', 'wide.example:443', 'not-allowed', ['wide.example', 443]],
    ['another port', `${GOOD}:22`, 'not-https', [GOOD, 22]],
    ['plain http’s port', `${GOOD}:80`, 'not-https', [GOOD, 80]],
    ['an address', '93.184.216.34:443', 'not-a-host', ['93.184.216.34', null]],
    ['loopback', '127.0.0.1:443', 'not-a-host', ['127.0.0.1', null]],
    ['the metadata address', '169.254.169.254:443', 'not-a-host', ['169.254.169.254', null]],
    ['a decimal address', '2130706433:443', 'not-a-host', ['2130706433', null]],
    ['a short address', '127.1:443', 'not-a-host', ['127.1', null]],
    ['IPv6', '[::1]:443', 'not-a-host', ['[::1]:443', null]],
    ['mapped IPv6', '[::ffff:127.0.0.1]:443', 'not-a-host', ['[::ffff:127.0.0.1]:443', null]],
    ['this machine', 'localhost:443', 'not-a-host', ['localhost', null]],
    ['a user before the host', `${GOOD}@bad.example:443`, 'not-a-host', [`${GOOD}@bad.example`, null]],
  ])('refuses %s, and says why and who can change it', async (_name, authority, reason, [name, port]) => {
    const answer = await connect(proxy.socket, authority);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-berth-egress': reason } });
    expect(answer.body).toMatch(/^Berth .*\.\n$/);
    expect(`${answer.reason}\n`).toBe(answer.body);
    if (reason === 'not-allowed') expect(answer.body).toMatch(/An admin of the organization can allow it/);
    expect(internet.lookups).toEqual([]);
    expect(host.connections).toBe(0);
    expect(await blockedReports()).toEqual([[name, port, reason]]);
  });

  it.each([
    ['10.0.0.7'],
    ['127.0.0.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['0.0.0.0'],
    ['224.0.0.1'],
    ['192.168.1.1'],
    ['168.63.129.16'],
    ['::1'],
    ['::ffff:10.0.0.7'],
    ['::7f00:1'],
    ['fe80::1'],
    ['fd00::1'],
    ['64:ff9b::a00:7'],
    ['2002:a00:7::'],
    [PUBLIC, '10.0.0.7'],
    ['2606:4700::1', '::1'],
  ])('refuses an allowed name that leads to %s %s', async (...addresses) => {
    internet.names.set(GOOD, addresses);
    const answer = await connect(proxy.socket, `${GOOD}:443`);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-berth-egress': 'private-address' } });
    expect(answer.body).toContain('BERTH_EGRESS_PRIVATE_HOSTS');
    expect(internet.connects).toEqual([]);
    expect(await blockedReports()).toEqual([[GOOD, 443, 'private-address']]);
  });

  it('refuses an allowed name that leads to the machine itself, by its address in the open internet', async () => {
    internet.machine.add(PUBLIC).add('10.9.9.9');
    internet.names.set('named.example', ['10.9.9.9']);
    for (const name of [GOOD, 'named.example'])
      expect((await connect(proxy.socket, `${name}:443`)).headers['x-berth-egress']).toBe('private-address');
    expect(internet.connects).toEqual([]);
  });

  it('asks DNS once: who answers differently the next time changes nothing', async () => {
    const lookup = internet.lookup;
    let asked = 0;
    internet.lookup = (name) =>
      ++asked === 1 ? lookup(name) : Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    await fetchThrough(await opened(), GOOD);
    expect(internet.connects).toEqual([[`${PUBLIC} 443`]]);
    expect(asked).toBe(1);
  });

  it('lets hosts through that who runs Berth named: to their address, or into a private network and no further', async () => {
    expect((await connect(proxy.socket, 'pinned.example:443')).status).toBe(200);
    expect(internet.connects).toEqual([['10.1.2.3 8443']]);
    expect(internet.lookups).toEqual([]);
    internet.names.set('named.example', ['10.9.9.9']);
    expect((await connect(proxy.socket, 'named.example:443')).status).toBe(200);
    for (const address of [
      '127.0.0.1',
      '169.254.169.254',
      '::1',
      'fe80::1',
      'fd00:ec2::254',
      '100.100.100.200',
    ]) {
      internet.names.set('named.example', [address]);
      expect([address, (await connect(proxy.socket, 'named.example:443')).status]).toEqual([address, 403]);
    }
    proxy.controlPlane.allow(GOOD);
    clock.advance(4000);
    expect((await connect(proxy.socket, 'pinned.example:443')).status).toBe(403);
  });

  it('carries TLS to the host that was asked for, and nothing else', async () => {
    const other = await connect(proxy.socket, `${GOOD}:443`);
    await expect(secure(other.socket, WIDE, host.certificate)).rejects.toThrow(/unrecognized.name/);
    const none = await connect(proxy.socket, `${GOOD}:443`);
    await expect(secure(none.socket, '', host.certificate)).rejects.toThrow(/unrecognized.name/);
    const plain = await connect(proxy.socket, `${GOOD}:443`);
    plain.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await textOf(plain.socket)).toMatch(/^HTTP\/1\.1 403 Berth lets nothing but https/);
    const ssh = await connect(proxy.socket, `${GOOD}:443`);
    ssh.socket.end('SSH-2.0-x\r\n');
    await textOf(ssh.socket);
    expect(host.requests).toEqual([]);
    await until('all are told', () => proxy.controlPlane.reports('blocked').length === 2);
    expect((await blockedReports()).map(([, , reason]) => reason)).toEqual(['other-name', 'not-https']);
  });

  it('says nothing of a client that leaves before it has said what it wants', async () => {
    for (const bytes of ['', '\x16\x03\x01']) {
      const { socket } = await connect(proxy.socket, `${GOOD}:443`);
      socket.end(Buffer.from(bytes, 'latin1'));
      await textOf(socket);
    }
    await connect(proxy.socket, 'bad.example:443');
    expect(await blockedReports()).toEqual([['bad.example', 443, 'not-allowed']]);
  });

  it('fails closed when it cannot be asked, and asks once for all that come within seconds', async () => {
    await Promise.all(Array.from({ length: 20 }, () => connect(proxy.socket, 'bad.example:443')));
    expect(proxy.controlPlane.egressCalls).toBe(1);
    clock.advance(4000);
    for (const egress of [null, { status: 500, body: {} }, { status: 200, body: { allowedHosts: 'all' } }]) {
      proxy.controlPlane.egress = egress;
      const answer = await connect(proxy.socket, `${GOOD}:443`);
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    }
    proxy.controlPlane.egress = { status: 403, body: {} };
    expect(await connect(proxy.socket, `${GOOD}:443`)).toMatchObject({
      status: 403,
      headers: { 'x-berth-egress': 'not-running' },
    });
    expect(host.connections).toBe(0);
  });

  it('ends when its host is not allowed any more, when the workspace stops, and when it is closed; not for want of an answer', async () => {
    const ends = async (change: () => unknown): Promise<void> => {
      proxy.controlPlane.allow(GOOD);
      clock.advance(4000);
      const secured = await opened();
      secured.on('error', () => undefined);
      secured.write(`GET /open HTTP/1.1\r\nhost: ${GOOD}\r\n\r\n`);
      await once(secured, 'data');
      const gone = once(secured, 'close');
      await change();
      await gone;
    };
    await ends(() => proxy.controlPlane.allow(WIDE));
    await ends(() => (proxy.controlPlane.egress = { status: 403, body: {} }));
    await ends(async () => {
      const calls = proxy.controlPlane.egressCalls;
      proxy.controlPlane.egress = null;
      await until('it was asked in vain', () => proxy.controlPlane.egressCalls > calls + 3);
      expect(proxy.log.lines.filter((line) => line.includes('"outcome":"cut"'))).toHaveLength(2);
      await proxy.workspaces.closeAll();
    });
    await until(
      'all are told',
      () => proxy.log.lines.filter((line) => line.includes('"outcome":"cut"')).length === 3,
    );
  });

  it('says when a host gives no answer', async () => {
    proxy.controlPlane.allow('gone.example', GOOD);
    const answer = await connect(proxy.socket, 'gone.example:443');
    expect(answer).toMatchObject({ status: 502, headers: { 'x-berth-egress': 'unreachable' } });
    internet.port = 1;
    expect((await connect(proxy.socket, `${GOOD}:443`)).status).toBe(502);
  });

  it('refuses plain http in the form that is sent to a proxy', async () => {
    for (const url of [`http://${GOOD}/`, 'http://169.254.169.254/latest/meta-data', 'ftp://x.example/a']) {
      const answer = await sendRaw(
        proxy.socket,
        `GET ${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
      expect(answer).toMatch(/x-berth-egress: not-https/);
      expect(answer).toMatch(/Berth lets nothing but https on port 443 out/);
    }
    expect((await blockedReports())[0]).toEqual([GOOD, null, 'not-https']);
    expect(await send(proxy.socket, { path: '/nothing' })).toMatchObject({ status: 404 });
  });

  it('tells each host once a minute, and of a loop that makes up names only so many', async () => {
    for (let at = 0; at < 60; at += 1) {
      await connect(proxy.socket, 'bad.example:443');
      await connect(proxy.socket, `h${at}.bad.example:443`);
    }
    await proxy.workspaces.open(proxy.command);
    await until('reports', () => proxy.controlPlane.reports('blocked').length === 30);
    clock.advance(61_000);
    await connect(proxy.socket, 'bad.example:443');
    await until('told again', () => proxy.controlPlane.reports('blocked').length === 31);
  });
});
