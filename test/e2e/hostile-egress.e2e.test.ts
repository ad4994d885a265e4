import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { TlsHost } from '../support/tls-host.js';
import { plantProbes, runCommand, runProbe } from './hostile/agent.js';
import { TestSystem } from './support/system.js';

/**
 * Where an agent may go: the real Claude Code runs a script that tries every way to hosts that it is not allowed to. It is counted at the hosts. The one that is allowed is in a
 * private network, as a registry of one's own is, and was named by who runs Berth; so was the other one, which the organization does not allow.
 */

const ALLOWED = 'registry.internal';
const FORBIDDEN = 'secrets.internal';

let registry: TlsHost;
let secrets: TlsHost;
let system: TestSystem;
beforeAll(async () => {
  registry = await TlsHost.start([ALLOWED], (request, response) => {
    const away = new URL(request.url ?? '', `https://${ALLOWED}`).searchParams.get('to');
    if (away === null) return void response.end('a package\n');
    response.writeHead(302, { location: away }).end();
  });
  secrets = await TlsHost.start([FORBIDDEN]);
  const named = [`${ALLOWED}=127.0.0.1:${registry.port}`, `${FORBIDDEN}=127.0.0.1:${secrets.port}`];
  system = await TestSystem.start({ environment: { BERTH_EGRESS_PRIVATE_HOSTS: named.join(',') } });
  await system.api.call('PUT', system.api.path('/egress-policy'), { allowedHosts: [ALLOWED] }, 200);
});
afterAll(async () => {
  await system.close();
  await Promise.all([registry.close(), secrets.close()]);
});

const blockedIn = async (id: string): Promise<Record<string, unknown>[]> =>
  (await system.api.events(id)).filter(({ type }) => type === 'egress.blocked').map(({ data }) => data);

it.each(['claude', 'codex'] as const)('%s itself works, and asks for nothing else', async (agent) => {
  const { id } = await system.runningWorkspace(agent, `quiet-${agent}`);
  const message = await system.api.send(id, 'create hello.txt with hello');
  expect(await system.api.untilEnded(id, message.id)).toMatchObject({ state: 'completed' });
  expect(await blockedIn(id)).toEqual([]);
  await system.hibernate(id);
});

it('reaches the host that is allowed, and no other in any way; each refusal explains itself, and people see it', async () => {
  const { id } = await system.runningWorkspace('claude', 'hostile');
  await plantProbes(system, id);
  copyFileSync(registry.certificateFile, path.join(system.treeOf(id), 'certificate.pem'));
  const inside = [registry, secrets].map(({ port }) => port);
  const berth = Number(new URL(system.berth.url).port);
  const urls = [
    `https://${FORBIDDEN}/`,
    'https://evil.example/',
    'https://169.254.169.254/latest/meta-data/',
    'https://2130706433/',
    'https://0x7f.0.0.1/',
    'https://10.0.0.1/',
    `https://${ALLOWED}:8443/`,
    `http://${ALLOWED}/`,
    'http://169.254.169.254/latest/meta-data/',
    'http://metadata.google.internal/computeMetadata/v1/',
    ...[`https://${FORBIDDEN}/`, 'http://169.254.169.254/', `http://127.0.0.1:${berth}/`].map(
      (away) => `https://${ALLOWED}/redirect?to=${encodeURIComponent(away)}`,
    ),
  ];
  const authorities = [
    ...[22, 25, 80, 53, 3306, 5432, 8443, berth, ...inside].map((port) => `${ALLOWED}:${port}`),
    ...[`${FORBIDDEN}:443`, `a.${ALLOWED}:443`, '127.0.0.1:443', `127.0.0.1:${secrets.port}`, '[::1]:443'],
    ...[
      '[::ffff:127.0.0.1]:443',
      '127.1:443',
      '0177.0.0.1:443',
      'localhost:443',
      `${ALLOWED}@${FORBIDDEN}:443`,
    ],
    ...['169.254.169.254:443', '[fd00:ec2::254]:443', `${FORBIDDEN}.:443`],
  ];
  const report = await runProbe<Record<string, Record<string, string>> & { allowed: string }>(
    system,
    id,
    'egress',
    {
      allowed: ALLOWED,
      certificate: '/workspace/certificate.pem',
      urls,
      authorities,
      absolute: [
        `http://${FORBIDDEN}/`,
        `https://${ALLOWED}/`,
        'http://169.254.169.254/',
        `http://127.0.0.1:${berth}/`,
      ],
      within: [FORBIDDEN, '', `a.${ALLOWED}`],
      tcp: ['8.8.8.8 53', '8.8.8.8 443', '169.254.169.254 80', '2001:4860:4860::8888 53', '10.0.0.1 443'],
      udp: ['8.8.8.8 53', '169.254.169.254 53', '2001:4860:4860::8888 53', '255.255.255.255 67'],
      nameServers: ['8.8.8.8', '127.0.0.1', '[::1]'],
    },
  );

  expect(report.allowed).toBe('ok a package');
  const reached = (kind: string, isReached: (word: string) => boolean): string[] =>
    Object.entries(report[kind] ?? { none: 'no report' })
      .filter(([, word]) => isReached(word))
      .map(([name, word]) => `${kind} ${name}: ${word}`);
  const all = [
    ...reached(
      'curl',
      (word) => !/^(56|22|7|97|52|6) /.test(word) && !word.startsWith('ok Berth lets nothing but https'),
    ),
    ...reached('withoutProxy', (word) => word.startsWith('ok')),
    ...reached('connect', (word) => !/^403 (not-allowed|not-a-host|not-https) Berth /.test(word)),
    ...reached('absolute', (word) => !word.startsWith('403 not-https ')),
    ...reached(
      'within',
      (word) =>
        word !== 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME' && word !== 'ERR_SSL_TLSV1_ALERT_UNRECOGNIZED_NAME',
    ),
    ...reached('tcp', (word) => !['ENETUNREACH', 'EHOSTUNREACH'].includes(word)),
    ...reached('udp', (word) => !['ENETUNREACH', 'EHOSTUNREACH', 'EACCES'].includes(word)),
    ...reached('dns', (word) => word === 'answered'),
    ...reached('raw', (word) => word !== 'refused'),
  ];
  expect(all).toEqual([]);
  for (const [kind, found] of Object.entries(report))
    if (kind !== 'allowed') expect(Object.keys(found).length).toBeGreaterThan(2);
  // At the other end: the allowed host was asked for what it may be asked, and the other one for nothing at all.
  expect(secrets.connections).toBe(0);
  const wanted = [
    'GET /hello',
    ...urls
      .filter((url) => url.includes('redirect'))
      .map((url) => `GET ${new URL(url).pathname}${new URL(url).search}`),
  ];
  expect(registry.requests).toEqual(wanted.map((request) => `${ALLOWED} ${request}`));

  const events = await blockedIn(id);
  const hosts = events.map(({ host, reason }) => `${String(host)} ${String(reason)}`);
  expect(hosts).toEqual(
    expect.arrayContaining([
      `${FORBIDDEN} not-allowed`,
      'evil.example not-allowed',
      '169.254.169.254 not-a-host',
      '169.254.169.254 not-https',
      '127.0.0.1 not-a-host',
      `${ALLOWED} not-https`,
      `${ALLOWED} other-name`,
    ]),
  );
  expect(events.length).toBeLessThanOrEqual(40);
  for (const { message } of events) expect(message).toMatch(/^Berth .*\.$/);
});

it('is let to a host as soon as an admin allows it', async () => {
  const { id } = await system.runningWorkspace('claude', 'asks');
  copyFileSync(secrets.certificateFile, path.join(system.treeOf(id), 'certificate.pem'));
  const command = `curl -sS --cacert certificate.pem https://${FORBIDDEN}/ > answer.txt 2>&1`;
  await runCommand(system, id, command);
  expect(secrets.connections).toBe(0);
  await system.api.call(
    'PUT',
    system.api.path('/egress-policy'),
    { allowedHosts: [ALLOWED, FORBIDDEN] },
    200,
  );
  await system.api.poll('it is let through', async () => {
    await runCommand(system, id, command);
    return secrets.requests.length > 0 ? true : null;
  });
  expect(secrets.requests[0]).toBe(`${FORBIDDEN} GET /`);
});
