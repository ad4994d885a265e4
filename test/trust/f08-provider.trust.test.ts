import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock, silentLog, type Clock } from '../../src/kernel/index.js';
import { send } from '../../src/proxy/testing/http.js';
import { Workspaces } from '../../src/proxy/workspaces.js';
import { LoginGround } from '../support/login-ground.js';
import type { TestProxy } from '../support/machines.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { connect, placeOfGround, rowMember, rowWorkspaces, type CrowdPlace } from './support/crowd.js';
import { LoginCluster } from './support/login-cluster.js';

/** Calls of an agent under way when its token is revoked. */
const CALLS = 20;
const PLACEHOLDER = 'placeholder-of-a-figure';
const countedAt = 'the book of the emulated token endpoint';
const MINUTE_MS = 60_000;
const SKEWS_MS = [5 * MINUTE_MS, -5 * MINUTE_MS];
const where = playsInFull ? '2 api and 2 worker, processes of their own' : 'two whole Berths in one process';

async function onPlace(work: (place: CrowdPlace) => Promise<void>): Promise<void> {
  if (playsInFull) {
    const cluster = await LoginCluster.start();
    await work(cluster.place).finally(() => cluster.close());
  } else {
    const ground = await LoginGround.start();
    await work(placeOfGround(ground)).finally(() => ground.close());
  }
}

/** A real proxy, opened for a workspace of rows; `call` is what its agent does. */
async function openProxy(
  { urls, claude }: CrowdPlace,
  id: string,
  { token }: TestProxy,
): Promise<{ call: () => Promise<number>; close: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'berth-trust-proxy-'));
  const socketPath = path.join(folder, 's');
  const providers = { anthropicUrl: claude.url, openaiUrl: claude.url, chatgptUrl: claude.url };
  const proxy = new Workspaces({ internalUrl: urls[0] ?? '', ...providers, log: silentLog });
  await proxy.open({
    type: 'open',
    requestId: id,
    workspaceId: id,
    socketPath,
    placeholder: PLACEHOLDER,
    proxyToken: token,
    git: null,
  });
  const message = {
    path: '/anthropic/v1/messages',
    headers: {
      authorization: `Bearer ${PLACEHOLDER}`,
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model: 'claude-haiku-4-5',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'hello' }],
    }),
  };
  return {
    call: async () => (await send(socketPath, message)).status,
    close: async () => {
      await proxy.closeAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

figure(
  {
    id: 'F8 revoked early',
    scenario: `the provider revokes the living token of a login (401, and 403 that says so, in turns) while an agent makes ${CALLS} calls at once through a real proxy; ${where}`,
    line: 'one forced exchange, and 0 errors seen by the agent',
    rounds: { small: 2, full: 150 },
    countedAt: `${countedAt}; the answers to the agent`,
    time: 'real',
  },
  (findings) =>
    onPlace(async (place) => {
      const { logins } = place.claude;
      const member = await rowMember(place);
      const { lineage } = await connect(place, member.api);
      const [workspace] = await rowWorkspaces(place, member.userId, 1);
      if (!workspace) return;
      const proxy = await openProxy(place, workspace.id, workspace.proxy);
      const renewed = (): number => logins.calls.filter((call) => call.outcome === 'renewed').length;
      try {
        for (let round = 1; round <= findings.rounds; round++) {
          findings.expect((await proxy.call()) === 200, `round ${round}: an error before`);
          logins.revokedStatus = round % 2 === 0 ? 401 : 403;
          logins.book.revokeLiving(lineage);
          const answers = await Promise.all(Array.from({ length: CALLS }, () => proxy.call()));
          const errors = answers.filter((status) => status !== 200);
          findings.expect(errors.length === 0, `round ${round}: the agent saw ${errors.join(', ')}`);
          findings.expect(renewed() === round, `round ${round}: ${renewed()} exchanges`);
        }
        findings.expect(logins.count('reused') === 0, 'a refresh token was used twice');
        findings.tried = findings.rounds * CALLS;
        findings.number('exchanges', renewed());
      } finally {
        await proxy.close();
      }
    }),
);

/** The provider's clock. */
class SkewedClock implements Clock {
  constructor(
    private readonly berth: Clock,
    private readonly aheadMs: number,
  ) {}

  now(): Date {
    return new Date(this.berth.now().getTime() + this.aheadMs);
  }
}

figure(
  {
    id: 'F8 clocks of identities',
    scenario:
      'the provider’s clock is five minutes ahead of Berth’s, and behind, with workload identity, whose assertions carry Berth’s time; workspaces ask again and again, at two whole Berths in one process',
    line: '0 storms: with the provider ahead each workspace has its token by one exchange; behind, it is denied once, and nobody asks again until a person has set it anew',
    rounds: { small: 10, full: 300 },
    countedAt: 'the authentication history of the emulated provider',
    time: 'injected',
  },
  async (findings) => {
    for (const aheadMs of SKEWS_MS) {
      const clock = new FakeClock(new Date());
      const ground = await LoginGround.start({ clock, providerClock: new SkewedClock(clock, aheadMs) });
      try {
        await askByIdentity(ground, aheadMs, findings);
      } finally {
        await ground.close();
      }
    }
  },
);

async function askByIdentity(ground: LoginGround, aheadMs: number, findings: Findings): Promise<void> {
  const { federation } = ground.claude.logins;
  const ids = {
    organizationId: '00000000-0000-4000-8000-000000000001',
    serviceAccountId: 'svac_01Acme',
  };
  federation.set({
    ...ids,
    id: 'fdrl_01Acme',
    issuer: ground.apps[0].url,
    jwks: { url: `${ground.apps[0].url}/.well-known/jwks.json` },
    subjectPrefix: `berth:organization:${ground.organization.id}:workspace:*`,
    audience: 'https://api.anthropic.com',
    workspaces: ['wrkspc_01Acme'],
    tokenSeconds: 3600,
  });
  const set = { ...ids, federationRuleId: 'fdrl_01Acme', identity: 'berth' };
  await ground.api.setCredential('organization', 'anthropic_wif', set);
  const workspaces = await ground.workspaces(findings.rounds);
  const asked = await Promise.allSettled([...workspaces, ...workspaces].map((id, n) => ground.lease(id, n)));
  const given = asked.filter(({ status }) => status === 'fulfilled').length;
  const { exchanges, replays } = federation;
  findings.expect(replays === 0, `${replays} assertions were used twice`);
  if (aheadMs > 0) {
    findings.expect(given === asked.length, `ahead: ${asked.length - given} had no token`);
    findings.expect(exchanges.length === workspaces.length, `ahead: ${exchanges.length} exchanges`);
    return;
  }
  findings.expect(given === 0, `behind: ${given} tokens for assertions from the future`);
  findings.number('denied where Berth is ahead', exchanges.length);
  const denied = exchanges.length;
  await Promise.allSettled(workspaces.map((id, n) => ground.lease(id, n)));
  findings.expect(federation.exchanges.length === denied, 'behind: denied again, without end');
}
