import { AloneGround, call } from '../support/proxy-alone.js';
import { figure, playsInFull, type Findings } from './figure.js';

/** Calls of an agent under way when the token is revoked. */
const CALLS = 20;
const MINUTE_MS = 60_000;
const TOKEN_PATH = '/v1/oauth/token';
const countedAt = 'the ledger of the emulated API and its token endpoint; the answers to the agent';
const LIVES = [60, 75, 120, 300];
const SKEWS_MINUTES = [5, -5];

/** A proxy on its own with the identity of a GitHub job, at a time that the figure moves; its token is there. */
async function onGround(
  work: (ground: AloneGround, port: number) => Promise<void>,
  tokenSeconds = 600,
): Promise<void> {
  const ground = await AloneGround.start();
  try {
    ground.rule({ tokenSeconds });
    const { ports } = await ground.listen();
    await call(ports.anthropic);
    await work(ground, ports.anthropic);
  } finally {
    await ground.close();
  }
}

async function expectServed(findings: Findings, port: number, when: string): Promise<void> {
  const { status } = await call(port);
  findings.expect(status === 200, `${when}: the agent saw ${status}`);
}

figure(
  {
    id: 'F8 alone, revoked early',
    scenario: `the proxy on its own with a workload identity: the provider revokes its token (401, and 403 that says so, in turns) while an agent makes ${CALLS} calls at once`,
    line: 'one forced exchange, and 0 errors seen by the agent',
    rounds: { small: 4, full: 300 },
    countedAt,
    time: 'real',
  },
  (findings) =>
    onGround(async (ground, port) => {
      const { logins } = ground.anthropic;
      for (let round = 1; round <= findings.rounds; round++) {
        logins.revokedStatus = round % 2 === 0 ? 401 : 403;
        logins.federation.revoke();
        const answers = await Promise.all(Array.from({ length: CALLS }, () => call(port)));
        const errors = answers.map(({ status }) => status).filter((status) => status !== 200);
        findings.expect(errors.length === 0, `round ${round}: the agent saw ${errors.join(', ')}`);
        findings.expect(ground.exchanges === round + 1, `round ${round}: ${ground.exchanges - 1} exchanges`);
      }
      findings.tried = findings.rounds * CALLS;
      findings.number('exchanges', ground.exchanges - 1);
    }),
);

figure(
  {
    id: 'F8 alone, endpoint down',
    scenario:
      'the proxy on its own: the token endpoint, or the one that mints the identity, is down from before the token is due to long after its end, and comes back; nobody asks meanwhile, and then an agent makes one call',
    line: 'the first call after the outage is answered, with one exchange, however long the outage was',
    rounds: { small: 2, full: 24 },
    countedAt,
    time: 'injected',
  },
  (findings) =>
    onGround(async (ground, port) => {
      let asked = 0;
      for (let round = 1; round <= findings.rounds; round++) {
        const minutes = 15 * round;
        const outage = { status: 503, times: 'always', match: { path: TOKEN_PATH } } as const;
        if (round % 2 === 0) ground.github.fail({ status: 503, times: 'always' });
        else ground.anthropic.fail(outage);
        await ground.time.pass(minutes * MINUTE_MS);
        asked += ground.exchanges;
        ground.anthropic.reset();
        ground.github.reset();
        // The call waits for the next try, which is never further away than 17 s.
        const served = expectServed(findings, port, `after ${minutes} minutes`);
        await ground.time.pass(17_000);
        await served;
        findings.expect(ground.exchanges === 1, `after ${minutes} minutes: ${ground.exchanges} exchanges`);
      }
      findings.number('exchanges asked for while down', asked);
    }),
);

figure(
  {
    id: 'F8 alone, short lives',
    scenario: `the proxy on its own, whose tokens live for ${LIVES.join(', ')} s; it is used now and then for hours`,
    line: 'at most one exchange per 75 % of a life, and 0 errors seen by the agent',
    rounds: { small: 1, full: 24 },
    countedAt,
    time: 'injected',
  },
  async (findings) => {
    for (const seconds of playsInFull ? LIVES : [60, 300]) {
      await onGround(async (ground, port) => {
        const quarters = findings.rounds * 4;
        for (let quarter = 1; quarter <= quarters; quarter++) {
          await ground.time.pass(15 * MINUTE_MS);
          await expectServed(findings, port, `tokens of ${seconds} s, quarter ${quarter}`);
        }
        const most = 1 + Math.ceil((findings.rounds * 3600) / (0.75 * seconds));
        findings.expect(ground.exchanges <= most, `tokens of ${seconds} s: ${ground.exchanges} exchanges`);
        findings.number(`exchanges per hour at ${seconds} s`, Math.round(ground.exchanges / findings.rounds));
      }, seconds);
    }
  },
);

figure(
  {
    id: 'F8 alone, clock skew',
    scenario: `the proxy on its own: its clock is set by ${SKEWS_MINUTES.join(' and ')} minutes again and again, within the life of one token`,
    line: '0 storms (at most two exchanges for each time that it is set), and 0 errors seen by the agent',
    rounds: { small: 4, full: 200 },
    countedAt,
    time: 'injected',
  },
  (findings) =>
    onGround(async (ground, port) => {
      for (let round = 1; round <= findings.rounds; round++) {
        ground.time.skew((SKEWS_MINUTES[round % SKEWS_MINUTES.length] ?? 0) * MINUTE_MS);
        const before = ground.exchanges;
        await expectServed(findings, port, `round ${round}, at once`);
        await ground.time.pass(MINUTE_MS);
        await expectServed(findings, port, `round ${round}, a minute later`);
        const more = ground.exchanges - before;
        findings.expect(more <= 2, `round ${round}: ${more} exchanges`);
      }
      findings.number('exchanges', ground.exchanges);
    }),
);
