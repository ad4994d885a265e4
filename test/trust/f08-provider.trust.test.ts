import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lease } from '../../src/contracts/index.js';
import { DueRenewals } from '../../src/credentials/renewal/due-renewals.js';
import { BerthError, FakeClock, silentLog, type Clock } from '../../src/kernel/index.js';
import { send } from '../../src/proxy/testing/http.js';
import { Workspaces } from '../../src/proxy/workspaces.js';
import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import type { TestProxy } from '../support/machines.js';
import { withClient } from '../support/tables.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { connect, placeOfGround, rowMember, rowWorkspaces, type CrowdPlace } from './support/crowd.js';
import { LoginCluster } from './support/login-cluster.js';

/** Calls of an agent under way when its token is revoked. */
const CALLS = 20;
const PLACEHOLDER = 'placeholder-of-a-figure';
const countedAt = 'the book of the emulated token endpoint';
const MINUTE_MS = 60_000;
/** Longer than the token serves whose renewal fails. */
const OVER_MS = 2500;
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
  const providers = {
    anthropicUrl: claude.url,
    openaiUrl: claude.url,
    chatgptUrl: claude.url,
    bedrockUrl: claude.url,
    bedrockModels: {},
  };
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

figure(
  {
    id: 'F8 endpoint down',
    scenario: `the token endpoint answers 503 from before a token is due until after it has run out, and is back then; ${where}`,
    line: 'the token serves to its end, the first request after it is answered with a new one, by one exchange',
    rounds: { small: 1, full: 5 },
    countedAt,
    time: 'real',
    fullMinutes: 15,
  },
  (findings) =>
    onPlace(async (place) => {
      const { claude, ownerUrl } = place;
      const member = await rowMember(place);
      await connect(place, member.api);
      const [workspace] = await rowWorkspaces(place, member.userId, 1);
      if (!workspace) return;
      const { proxy } = workspace;
      const failed = (): number => claude.logins.count('failed');
      for (let round = 1; round <= findings.rounds; round++) {
        claude.reset();
        claude.fail({ status: 503, times: 'always', match: { grant: 'refresh_token' } });
        // It serves for two seconds more: a lease ends five before its token.
        await withClient(ownerUrl, (client) =>
          client.query(`UPDATE credential SET expires_at = now() + interval '7 seconds', renew_at = null`),
        );
        const before = await proxy.tryLease();
        findings.expect(before.status === 200, `round ${round}: ${before.status} while it serves`);
        await eventually('a renewal failed while it serves', () => failed() > 0, 60);
        await delay(OVER_MS);
        const waiting = proxy.tryLease();
        await eventually('a renewal failed after its end', () => failed() > 1, 120);
        if (playsInFull) findings.expect((await waiting).status >= 200, 'no answer');
        const failures = failed();
        claude.reset();
        const first = await proxy.tryLease();
        findings.expect(first.status === 200, `round ${round}: the first request: ${first.status}`);
        findings.expect(
          first.status === 200 && isHonored(place, first.body),
          `round ${round}: not what the provider takes`,
        );
        const { logins } = claude;
        const calls = logins.calls.map(({ outcome }) => outcome).join();
        findings.expect(calls === 'renewed', `round ${round}: ${calls} after it was back`);
        findings.number('most failures while it was down', failures);
        await waiting;
      }
    }),
);

const isHonored = ({ claude }: Pick<CrowdPlace, 'claude'>, { secret }: Lease): boolean =>
  'token' in secret &&
  (claude.logins.book.stateOf(secret.token) ?? claude.logins.federation.stateOf(secret.token))?.state ===
    'living';

/** A workspace that asks for a lease at each step of a moved clock, with the sweep beside it. */
interface Life {
  clock: FakeClock;
  stepSeconds: number;
  steps: number;
}

/**
 * How often the provider took for dead what was lent before its time was over by Berth's clock. Whoever is refused reports it and asks again, as proxies do; so does one whose token was replaced
 * between its lease and its call.
 */
async function live(
  ground: LoginGround,
  { clock, stepSeconds, steps }: Life,
  findings: Findings,
  what: string,
): Promise<number> {
  const [id = ''] = await ground.workspaces(1);
  let expired = 0;
  for (let step = 0; step < steps; step++) {
    let lease = await ground.lease(id, step);
    if (!isHonored(ground, lease)) {
      const { secret } = lease;
      const state = 'token' in secret ? ground.claude.logins.book.stateOf(secret.token)?.state : null;
      if (state === 'expired') expired += 1;
      const { credentialId, generation } = lease;
      const report = { credentialId, generation, status: 401, errorType: 'authentication_error' };
      await ground.report('refused', id, report, step);
      lease = await ground.lease(id, step);
      findings.expect(isHonored(ground, lease), `${what}, step ${step}: refused twice`);
    }
    await ground.app(step).app.get(DueRenewals, { strict: false }).askForAll();
    clock.advance(stepSeconds * 1000);
  }
  return expired;
}

/** How soon a token may be due: at 75 % of its life or five minutes before its end, whichever is earlier; of a life of five minutes and less at 75 %. */
const dueSeconds = (life: number): number =>
  Math.max(0.75 * Math.min(life, 300), Math.min(0.75 * life, life - 300));
/** One at the beginning, and then one each time that it is due. */
const most = (seconds: number, life: number): number => 1 + Math.floor(seconds / dueSeconds(life));

figure(
  {
    id: 'F8 short lives',
    scenario:
      'tokens that live 60, 120 and 300 s, used every 5 s, with a sweep each time; at two whole Berths in one process',
    line: 'at most one exchange per 75 % of a life, and nothing is lent that has run out',
    rounds: { small: 5, full: 60 },
    countedAt,
    time: 'injected',
  },
  async (findings) => {
    for (const lifeSeconds of [60, 120, 300]) {
      const clock = new FakeClock(new Date());
      const ground = await LoginGround.start({ clock });
      try {
        ground.claude.logins.configure({ accessSeconds: lifeSeconds });
        await ground.newLogin();
        const seconds = findings.rounds * 60;
        const life = { clock, stepSeconds: 5, steps: seconds / 5 };
        const expired = await live(ground, life, findings, `${lifeSeconds} s`);
        const { renewed, reused } = ground.exchanges;
        findings.expect(expired === 0, `${lifeSeconds} s: ${expired} tokens had run out when they were lent`);
        findings.expect(reused === 0, `${lifeSeconds} s: ${reused} refresh tokens were used twice`);
        findings.expect(renewed <= most(seconds, lifeSeconds), `${lifeSeconds} s: ${renewed} exchanges`);
        findings.number(`exchanges in ${findings.rounds} minutes of lives of ${lifeSeconds} s`, renewed);
      } finally {
        await ground.close();
      }
    }
    findings.tried = findings.rounds * 3 * 12;
  },
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
    id: 'F8 clocks',
    scenario:
      'the provider’s clock is five minutes ahead of Berth’s, and behind: logins whose tokens live 6, 10 and 60 minutes, brought with an end by the provider’s clock, used all the time; at two whole Berths in one process',
    line: '0 storms: at most one exchange for each time that a token is due (75 % of a life, or five minutes before its end), and one for each token that the provider took for dead before; and each request is served',
    rounds: { small: 1, full: 8 },
    countedAt,
    time: 'injected',
  },
  async (findings) => {
    findings.tried = 0;
    for (const aheadMs of SKEWS_MS)
      for (const minutes of playsInFull ? [6, 10, 60] : [10]) {
        const clock = new FakeClock(new Date());
        const ground = await LoginGround.start({ clock, providerClock: new SkewedClock(clock, aheadMs) });
        try {
          ground.claude.logins.configure({ accessSeconds: minutes * 60 });
          await ground.newLogin();
          // Three lives for each round, in steps of a twentieth of one.
          const [stepSeconds, steps] = [minutes * 3, findings.rounds * 60];
          const what = `${minutes} minutes, ${aheadMs / 1000} s ahead`;
          const expired = await live(ground, { clock, stepSeconds, steps }, findings, what);
          const { renewed, reused } = ground.exchanges;
          const bound = most(stepSeconds * steps, minutes * 60) + expired;
          findings.expect(renewed <= bound, `${what}: ${renewed} exchanges`);
          findings.expect(expired <= 1, `${what}: ${expired} tokens had run out before their time`);
          findings.expect(reused === 0, `${what}: ${reused} refresh tokens were used twice`);
          findings.number(`exchanges, ${what}`, renewed);
          findings.tried += steps;
        } finally {
          await ground.close();
        }
      }
  },
);

figure(
  {
    id: 'F8 clocks of identities',
    scenario:
      'the same with workload identity, whose assertions carry Berth’s time: with the provider ahead, and behind; workspaces ask again and again',
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
        await askByIdentity({ ground, clock }, aheadMs, findings);
      } finally {
        await ground.close();
      }
    }
  },
);

async function openRenewals(ground: LoginGround): Promise<number> {
  const [row] = await ground.sql(
    `SELECT count(*)::int AS open FROM credential_rotation WHERE state = 'open'`,
  );
  return Number(row?.open);
}

const MOST_TRIES = 10;

/** As a proxy takes a lease: hundreds that are minted at once are not there within the time that one question waits. */
async function leaseInTheEnd(
  ground: LoginGround,
  clock: FakeClock,
  workspaceId: string,
  place: number,
): Promise<unknown> {
  for (let left = MOST_TRIES; ; left -= 1) {
    try {
      return await ground.lease(workspaceId, place);
    } catch (error) {
      if (!(error instanceof BerthError) || error.code !== 'not-ready' || left === 1) throw error;
      // Time goes on by what hundreds of them add to it: what failed for the moment is tried again.
      clock.advance(10);
    }
  }
}

async function askByIdentity(
  { ground, clock }: { ground: LoginGround; clock: FakeClock },
  aheadMs: number,
  findings: Findings,
): Promise<void> {
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
  const asked = await Promise.allSettled(
    [...workspaces, ...workspaces].map((id, n) => leaseInTheEnd(ground, clock, id, n)),
  );
  const given = asked.filter(({ status }) => status === 'fulfilled').length;
  const { exchanges, replays } = federation;
  findings.expect(replays === 0, `${replays} assertions were used twice`);
  if (aheadMs > 0) {
    findings.expect(given === asked.length, `ahead: ${asked.length - given} had no token`);
    findings.expect(exchanges.length === workspaces.length, `ahead: ${exchanges.length} exchanges`);
    return;
  }
  findings.expect(given === 0, `behind: ${given} tokens for assertions from the future`);
  // The first denial answers all; what was begun for others before it is denied, too, once for each.
  await eventually('nobody calls any more', async () => (await openRenewals(ground)) === 0);
  const denied = federation.exchanges.length;
  findings.number('denied where Berth is ahead', denied);
  findings.expect(denied <= workspaces.length, `behind: ${denied} denials of ${workspaces.length}`);
  await Promise.allSettled(workspaces.map((id, n) => ground.lease(id, n)));
  findings.expect(federation.exchanges.length === denied, 'behind: denied again, without end');
}
