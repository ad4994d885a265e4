import type { EventView, Problem } from '../../src/contracts/index.js';
import { parseConfig } from '../../src/config/index.js';
import { messageOf, silentLog } from '../../src/kernel/index.js';
import { send, sendRaw } from '../../src/proxy/testing/http.js';
import { PUBLIC, SmallInternet } from '../../src/proxy/testing/small-internet.js';
import { connect, fetchThrough, secure } from '../../src/proxy/testing/tunnel.js';
import { Workspaces } from '../../src/proxy/workspaces.js';
import type { Api } from '../support/api.js';
import { startTestApp, type TestApp, type TestOrganization } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { Seeded } from '../support/seeded.js';
import { TlsHost } from '../support/tls-host.js';
import { figure, type Findings } from './figure.js';
import { StandIn } from './support/stand-in.js';

/**
 * Every place that takes a URL or a host from people or from an agent: a workspace's repository, the organization's list of hosts, CONNECT and plain requests at the proxy, the git route;
 * and the settings of who runs Berth, which may name this machine and nothing else in the clear. The real app and the real proxy, with an internet of the figure's own: what was connected
 * to is counted there. From inside a sandbox the same is tried by test/e2e/hostile-egress. Seen to fail: with `isPublic` that answers true for every address, names lead to each of them.
 */

const ALLOWED = 'registry.example.com';
const REBINDING = 'rebinding.example.com';

/** This machine, its networks and clouds' metadata, in the spellings that one reader or another takes. */
const addresses = [
  ...[
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '127.0.0.1.',
    '0',
    '0.0.0.0',
  ],
  ...['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '0xa9fea9fe', '2852039166'],
  ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::7f00:1]', '[fe80::1]', '[fd00:ec2::254]'],
  ...[
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    'localhost',
    'localhost.',
    'a.localhost',
    '[::ffff:169.254.169.254]',
  ],
];
/** What a name may answer with. */
const answers = [
  ...[
    '127.0.0.1',
    '10.0.0.1',
    '172.31.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '::1',
    '::',
  ],
  ...[
    '::ffff:127.0.0.1',
    '::7f00:1',
    'fe80::1',
    'fd00::1',
    'fd00:ec2::254',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ],
  ...[
    '224.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    '198.18.0.1',
    'ff02::1',
  ],
];
const schemes = ['http', 'ftp', 'file', 'gopher', 'unix', 'ssh', 'git', 'data', 'javascript'];

interface Ground {
  app: TestApp;
  organization: TestOrganization;
  internet: SmallInternet;
  proxy: Workspaces;
  host: TlsHost;
  findings: Findings;
}

/** Repositories: refused when they are typed, each with a sentence. */
async function repositories({ organization: { owner }, findings }: Ground): Promise<number> {
  const urls = [
    ...addresses.map((address) => `https://${address}/acme/app.git`),
    ...addresses.map((address) => `https://${address}:8443/acme/app.git`),
    ...schemes.filter((scheme) => scheme !== 'file').map((scheme) => `${scheme}://example.com/acme/app.git`),
    ...[
      'https://user:pass@example.com/acme/app',
      'https://example.com@127.0.0.1/acme/app',
      'ext::sh -c id',
      '--upload-pack=id',
    ],
    ...[
      'https://example.com/../acme/app',
      'https://example.com\\@127.0.0.1/acme/app',
      'unix:/run/docker.sock',
    ],
  ];
  for (const repository of urls) {
    const { status, body } = await owner.api.call<Problem>('POST', owner.api.path('/workspaces'), {
      repository,
    });
    const told = body.errors?.some(({ message }) => message.length > 10) === true;
    findings.expect(status === 422 && told, `the repository ${repository}: ${status}`);
  }
  return urls.length;
}

/** The list of hosts: no address gets onto it. */
async function lists({ organization: { owner }, findings }: Ground): Promise<number> {
  const entries = [
    ...addresses,
    '*',
    '*.com',
    '*.127.0.0.1',
    ...schemes.map((scheme) => `${scheme}://example.com`),
  ];
  for (const entry of entries) {
    const body = { allowedHosts: [entry] };
    const answer = await owner.api.call<Problem>('PUT', owner.api.path('/egress-policy'), body);
    const told = answer.body.errors?.[0]?.message.startsWith('must be the name of a host') === true;
    findings.expect(answer.status === 422 && told, `the list's ${entry}: ${answer.status}`);
  }
  await allowHosts(owner.api, [ALLOWED, REBINDING]);
  return entries.length;
}

async function allowHosts(api: Api, allowedHosts: string[]): Promise<void> {
  await api.call('PUT', api.path('/egress-policy'), { allowedHosts }, 200);
}

/** What who runs Berth may set: https anywhere, the clear on this machine alone, and no other scheme. */
function settings({ findings }: Ground): number {
  const variables = [
    'BERTH_ANTHROPIC_API_URL',
    'BERTH_OPENAI_API_URL',
    'BERTH_CHATGPT_API_URL',
    'BERTH_GITHUB_URL',
  ];
  const more = ['BERTH_CLAUDE_TOKEN_URL', 'BERTH_ANTHROPIC_TOKEN_URL', 'BERTH_OPENAI_AUTH_URL'];
  const urls = [...schemes.filter((scheme) => scheme !== 'http'), 'http'].map(
    (scheme) => `${scheme}://10.0.0.1/`,
  );
  let tried = 0;
  for (const name of [...variables, ...more])
    for (const url of [...urls, 'http://169.254.169.254/', 'https://user:pass@example.com/']) {
      tried += 1;
      findings.expect(refuses({ [name]: url }, name), `the setting ${name}=${url} is taken`);
    }
  for (const entry of ['127.0.0.1', '10.0.0.1', 'localhost', 'a.example=localhost', 'a.example=0x7f.1']) {
    tried += 1;
    const name = 'BERTH_EGRESS_PRIVATE_HOSTS';
    findings.expect(refuses({ [name]: entry }, name), `the private host ${entry} is taken`);
  }
  return tried;
}

function refuses(environment: Record<string, string>, name: string): boolean {
  try {
    parseConfig(environment);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes(`${name}: must be`);
  }
}

/** The agent: by address, by names that are not allowed, at other ports, in the clear. */
async function targets({ internet, findings }: Ground, socket: string): Promise<number> {
  const authorities = [
    ...addresses.map((address) => `${address}:443`),
    ...['evil.example:443', `a.${ALLOWED}:443`, `${ALLOWED}.evil.example:443`, `${ALLOWED}@evil.example:443`],
    ...[22, 25, 53, 80, 5432, 6379, 8443].map((port) => `${ALLOWED}:${port}`),
  ];
  const before = internet.lookups.length;
  for (const authority of authorities) {
    const { status, body, headers } = await connect(socket, authority);
    const isTold = /^Berth .+\.\n$/.test(body) && headers['x-berth-egress'] !== undefined;
    findings.expect(status === 403 && isTold, `CONNECT ${authority}: ${status} ${body}`);
  }
  const urls = schemes.flatMap((scheme) =>
    [ALLOWED, '169.254.169.254', '[::1]'].map((name) => `${scheme}://${name}/`),
  );
  for (const url of urls) {
    const answer = await sendRaw(socket, `GET ${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    findings.expect(/^HTTP\/1\.1 403 [^]*Berth lets nothing but https/.test(answer), `GET ${url}: ${answer}`);
  }
  findings.expect(internet.lookups.length === before, 'a name was looked up that is not allowed');
  return authorities.length + urls.length;
}

/** An allowed name whose owner lets it lead elsewhere: at once, beside a good address, or from the second answer on. */
async function names({ internet, findings }: Ground, socket: string, random: Seeded): Promise<number> {
  for (const answer of answers)
    for (const given of [[answer], [PUBLIC, answer], [answer, PUBLIC]]) {
      internet.names.set(ALLOWED, given);
      const { status, body } = await connect(socket, `${ALLOWED}:443`);
      const isTold = body.includes('in a private network') && body.includes('BERTH_EGRESS_PRIVATE_HOSTS');
      findings.expect(status === 403 && isTold, `${ALLOWED} at ${given.join(', ')}: ${status}`);
    }
  internet.names.set(ALLOWED, [PUBLIC]);
  const lookup = internet.lookup;
  let asked = 0;
  internet.lookup = async (name) => {
    const good = await lookup(ALLOWED);
    return name !== REBINDING || (asked += 1) % 2 === 1 ? good : [{ address: random.of(answers), family: 4 }];
  };
  for (let round = 0; round < 10; round += 1) (await connect(socket, `${REBINDING}:443`)).socket.destroy();
  internet.lookup = lookup;
  return answers.length * 3 + 10;
}

/** The repository's host: a name that a member typed, whose owner lets it lead inside. */
async function git({ internet, findings }: Ground, socket: string): Promise<number> {
  const call = { method: 'GET', path: '/git/git.example.com/acme/app.git/info/refs?service=git-upload-pack' };
  for (const answer of answers) {
    internet.names.set('git.example.com', [answer]);
    const { status, body } = await send(socket, call);
    findings.expect(status === 403 && body.includes('in a private network'), `git at ${answer}: ${status}`);
  }
  return answers.length;
}

/** The way that is allowed works all the while, and a tunnel carries nothing but TLS for its host. */
async function allowed({ host, findings }: Ground, socket: string): Promise<number> {
  const tunnel = await connect(socket, `${ALLOWED}:443`);
  findings.expect(tunnel.status === 200, `CONNECT ${ALLOWED}:443: ${tunnel.status} ${tunnel.body}`);
  if (tunnel.status !== 200) return 1;
  const secured = await secure(tunnel.socket, ALLOWED, host.certificate);
  findings.expect(
    (await fetchThrough(secured, ALLOWED)).includes('hello'),
    'the allowed host did not answer',
  );
  const other = await connect(socket, `${ALLOWED}:443`);
  const word = await secure(other.socket, 'evil.example', host.certificate).then(
    () => 'connected',
    (error: unknown) => messageOf(error),
  );
  findings.expect(/unrecognized.name/.test(word), `a tunnel to ${ALLOWED} led to evil.example: ${word}`);
  return 2;
}

/** What people see: each reason that there was, in words. */
async function logged({ organization: { owner }, findings }: Ground, workspaceId: string): Promise<void> {
  const events = async (): Promise<EventView[]> =>
    (await owner.api.events(workspaceId)).filter(({ type }) => type === 'egress.blocked');
  const reasons = ['not-https', 'not-a-host', 'not-allowed', 'private-address', 'other-name'];
  let seen: EventView[] = [];
  const areTold = async (): Promise<boolean> => {
    seen = await events();
    return reasons.every((reason) => seen.some(({ data }) => data.reason === reason));
  };
  await eventually('every reason is told', areTold).catch((error: unknown) =>
    findings.breach(messageOf(error)),
  );
  for (const { data } of seen)
    findings.expect(/^Berth .+\.$/.test(String(data.message)), `an event says ${String(data.message)}`);
  findings.number('events', seen.length);
}

figure(
  {
    id: 'F25',
    scenario:
      'addresses of this machine, its networks and clouds’ metadata, in every spelling, by names that lead there and by names that change where they lead; other schemes, other ports, other names within a tunnel: at repositories, lists of hosts, settings, CONNECT, plain requests, the git route',
    line: '0 connections to an address that is not of the open internet; each refusal says why, and is an event',
    rounds: { small: 1, full: 40 },
    countedAt: 'the network of the figure: where connections were begun to',
    time: 'real',
  },
  async (findings) => {
    const host = await TlsHost.start([ALLOWED, REBINDING]);
    const app = await startTestApp();
    const internet = new SmallInternet();
    internet.port = host.port;
    const nowhere = 'http://127.0.0.1:9';
    const proxy = new Workspaces({
      internalUrl: app.url,
      ...{
        anthropicUrl: nowhere,
        openaiUrl: nowhere,
        chatgptUrl: nowhere,
        bedrockUrl: nowhere,
        bedrockModels: {},
      },
      network: internet,
      log: silentLog,
      // A figure that asks for hundreds of hosts in seconds shall see each reason told.
      limits: { maxBlocked: 10_000, allowedHostsSeconds: 3 },
    });
    const organization = await app.founded('acme');
    const ground: Ground = { app, organization, internet, proxy, host, findings };
    const random = new Seeded(25);
    try {
      await organization.owner.api.setCredential('user', 'anthropic_api_key', {
        apiKey: `sk-ant-api03-${'f'.repeat(40)}`,
      });
      await allowHosts(organization.owner.api, [ALLOWED, REBINDING]);
      let tried = settings(ground);
      const standIn = await StandIn.open(
        app,
        proxy,
        organization,
        organization.owner,
        'https://git.example.com/acme/app.git',
      );
      for (let round = 0; round < findings.rounds; round += 1) {
        internet.names.set(ALLOWED, [PUBLIC]).set(REBINDING, [PUBLIC]);
        tried += (await repositories(ground)) + (await lists(ground));
        tried += (await targets(ground, standIn.socket)) + (await allowed(ground, standIn.socket));
        tried += (await names(ground, standIn.socket, random)) + (await git(ground, standIn.socket));
      }
      await logged(ground, standIn.id);
      await standIn.close();
      findings.tried = tried;
      const reached = internet.connects.flat().filter((place) => place !== `${PUBLIC} 443`);
      findings.expect(reached.length === 0, `connected to ${[...new Set(reached)].join(', ')}`);
      findings.number('connections, all to the open internet', internet.connects.length);
    } finally {
      await proxy.closeAll();
      await app.close();
      await host.close();
    }
  },
);
