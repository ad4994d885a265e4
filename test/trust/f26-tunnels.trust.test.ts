import { once } from 'node:events';
import { silentLog } from '../../src/kernel/index.js';
import { PUBLIC, SmallInternet } from '../../src/proxy/testing/small-internet.js';
import { connect, secure } from '../../src/proxy/testing/tunnel.js';
import { Workspaces } from '../../src/proxy/workspaces.js';
import type { Api } from '../support/api.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { TlsHost } from '../support/tls-host.js';
import { figure, type Findings } from './figure.js';
import { StandIn } from './support/stand-in.js';

/** The tunnels' part: a host is taken off the organization's list, or the workspace is put to sleep. Seen to fail: with `Tunnels.look` that asks nobody, a tunnel to a host off the list speaks on. */

const HOST = 'registry.example.com';
const CUT_SECONDS = 10;
const REFUSED_SECONDS = 5;
const PIECE_MS = 50;

interface Ground {
  app: TestApp;
  proxy: Workspaces;
  host: TlsHost;
  findings: Findings;
}

/** An organization's workspace with a tunnel that speaks without end, and when it was heard of last. */
async function speaking({ app, proxy, host }: Ground, slug: string) {
  const organization = await app.founded(slug);
  const { api } = organization.owner;
  await api.setCredential('user', 'anthropic_api_key', { apiKey: `sk-ant-api03-${'t'.repeat(40)}` });
  await allow(api, [HOST]);
  const standIn = await StandIn.open(app, proxy, organization, organization.owner);
  const tunnel = await connect(standIn.socket, `${HOST}:443`);
  const secured = await secure(tunnel.socket, HOST, host.certificate);
  secured.on('error', () => undefined);
  secured.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\n\r\n`);
  let heardAt = 0;
  secured.on('data', () => (heardAt = performance.now()));
  await once(secured, 'data');
  return { api, standIn, secured, heardAt: () => heardAt };
}

async function allow(api: Api, allowedHosts: string[]): Promise<void> {
  await api.call('PUT', api.path('/egress-policy'), { allowedHosts }, 200);
}

/** Seconds from a change to the end of the tunnel, and until no new one is given. */
async function timesAfter(
  { standIn, secured }: Awaited<ReturnType<typeof speaking>>,
  change: () => Promise<unknown>,
): Promise<{ cut: number; refused: number }> {
  const gone = once(secured, 'close', { signal: AbortSignal.timeout(3 * CUT_SECONDS * 1000) });
  const begun = performance.now();
  const since = (): number => Math.round(performance.now() - begun) / 1000;
  await change();
  const cut = gone.then(since, () => Infinity);
  let refused = Infinity;
  while (refused === Infinity && since() < 2 * REFUSED_SECONDS) {
    const { status, socket } = await connect(standIn.socket, `${HOST}:443`);
    socket.destroy();
    if (status === 403) refused = since();
  }
  return { cut: await cut, refused };
}

figure(
  {
    id: 'F26 tunnels',
    scenario:
      'a host is taken off the organization’s list while a tunnel to it speaks, or the workspace’s way out is closed as it goes to sleep; another organization allows the same host all the while',
    line: 'no new tunnel is given within 5 s, the one that is open is cut within 10 s, the other organization’s goes on',
    rounds: { small: 1, full: 20 },
    countedAt: 'the client’s end of the tunnel',
    time: 'real',
  },
  async (findings) => {
    const host = await TlsHost.start([HOST], (_request, response) => {
      const timer = setInterval(() => response.write('piece'), PIECE_MS);
      response.once('close', () => clearInterval(timer));
    });
    const app = await startTestApp();
    const internet = new SmallInternet();
    internet.port = host.port;
    internet.names.set(HOST, [PUBLIC]);
    const nowhere = 'http://127.0.0.1:9';
    const proxy = new Workspaces({
      internalUrl: app.url,
      ...{ anthropicUrl: nowhere, openaiUrl: nowhere, chatgptUrl: nowhere },
      ...{ bedrockUrl: nowhere, bedrockModels: {} },
      network: internet,
      log: silentLog,
    });
    const ground = { app, proxy, host, findings };
    const longest = { cut: 0, refused: 0, closed: 0 };
    try {
      const other = await speaking(ground, 'other');
      for (let round = 0; round < findings.rounds; round += 1) {
        const listed = await speaking(ground, `listed-${round}`);
        const { cut, refused } = await timesAfter(listed, () => allow(listed.api, []));
        findings.expect(cut <= CUT_SECONDS, `round ${round}: the tunnel was cut after ${cut} s`);
        findings.expect(refused <= REFUSED_SECONDS, `round ${round}: none was given after ${refused} s`);
        await listed.standIn.close();
        const asleep = await speaking(ground, `asleep-${round}`);
        const begun = performance.now();
        const gone = once(asleep.secured, 'close');
        await asleep.standIn.sleep(asleep.api);
        await gone;
        const closed = Math.round(performance.now() - begun) / 1000;
        findings.expect(closed <= CUT_SECONDS, `round ${round}: asleep, and cut after ${closed} s`);
        longest.cut = Math.max(longest.cut, cut);
        longest.refused = Math.max(longest.refused, refused);
        longest.closed = Math.max(longest.closed, closed);
      }
      const silent = (performance.now() - other.heardAt()) / 1000;
      findings.expect(!other.secured.destroyed && silent < 1, `the other’s tunnel is silent for ${silent} s`);
      await other.standIn.close();
      findings.tried = findings.rounds * 2;
      findings.number('tunnel cut, longest, s', longest.cut);
      findings.number('no new tunnel, longest, s', longest.refused);
      findings.number('asleep and cut, longest, s', longest.closed);
    } finally {
      await proxy.closeAll();
      await app.close();
      await host.close();
    }
  },
);
