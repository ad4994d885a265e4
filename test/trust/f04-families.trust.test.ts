import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { connect, Crowd } from './support/crowd.js';
import { LoginCluster } from './support/login-cluster.js';

const MINUTES = 10;
const [WORKSPACES, LOGINS] = [100, 10];
/** The longest that the provider takes, and the longest before a worker is killed. */
const [SLOW_MS, KILL_MS] = [1500, 1200];
/** Longer than the 20 s after which a renewal is taken for dead. */
const STALL_MS = 25_000;
const STALL_EVERY = 8;

const line = {
  line: '0 families of tokens are revoked because of Berth: no refresh token is used twice',
  countedAt: 'the book of the emulated provider, which ends a login whose refresh token comes a second time',
  time: 'real' as const,
};

if (playsInFull)
  figure(
    {
      ...line,
      id: 'F4 families',
      scenario: `${WORKSPACES} workspaces on ${LOGINS} logins cross expiry together, again and again for ${MINUTES} minutes (not the two hours of the line), at 2 api and 2 worker; in each round a worker is killed (SIGKILL) or, in each ${STALL_EVERY}th, stopped for ${STALL_MS / 1000} s (SIGSTOP), at any moment; the provider has no grace and revokes families`,
      rounds: { small: 0, full: 1 },
      fullMinutes: MINUTES + 5,
    },
    async (findings) => {
      const cluster = await LoginCluster.start();
      await torment(cluster, findings).finally(() => cluster.close());
    },
  );
else
  figure(
    {
      ...line,
      id: 'F4 families',
      scenario:
        'renewals whose process is taken for dead after it has called, and others that want to renew the same; two whole Berths in one process',
      rounds: { small: 3, full: 0 },
    },
    async (findings) => {
      const ground = await LoginGround.start();
      await takeForDead(ground, findings).finally(() => ground.close());
    },
  );

async function takeForDead(ground: LoginGround, findings: Findings): Promise<void> {
  const { logins } = ground.claude;
  for (let round = 0; round < findings.rounds; round++) {
    const { id, generation } = await ground.newLogin();
    await ground.runOut();
    ground.claude.fail({ mode: 'hold-after', match: { grant: 'refresh_token' } });
    const late = ground.renew(id, generation);
    await eventually('the provider was asked', () => logins.held > 0);
    await ground.sql(`UPDATE credential_rotation SET heartbeat_at = now() - interval '1 hour'`);
    await Promise.all(Array.from({ length: 10 }, (_, n) => ground.renew(id, generation, n)));
    logins.release();
    await late;
    findings.expect(await ground.isHonored(), `round ${round}: the login is lost`);
  }
  count(logins.book.lineages, ground.exchanges.reused, findings);
}

function count(lineages: { isEnded: boolean }[], misused: number, findings: Findings): void {
  const revoked = lineages.filter(({ isEnded }) => isEnded).length;
  findings.expect(revoked === 0, `${revoked} families were revoked`);
  findings.expect(misused === 0, `${misused} refresh tokens were used when they should not`);
}

async function torment({ cluster, claude, place }: LoginCluster, findings: Findings): Promise<void> {
  const crowd = await Crowd.gather(place, WORKSPACES, LOGINS);
  const tally = { rounds: 0, kills: 0, stalls: 0, leases: 0, reconnected: 0 };
  const end = performance.now() + MINUTES * 60_000;
  // Every answer comes late, so that kills find calls under way.
  claude.fail({ mode: 'hold-after', match: { grant: 'refresh_token' }, times: 'always' });
  const gate = setInterval(() => {
    if (claude.logins.held > 0)
      setTimeout(() => claude.logins.release(claude.logins.held), Math.random() * SLOW_MS);
  }, 100);
  try {
    while (performance.now() < end) {
      tally.rounds += 1;
      await crowd.runOut();
      const asked = crowd.leases();
      if (tally.rounds % STALL_EVERY === 0) tally.stalls += 1;
      else tally.kills += 1;
      await strike(cluster, tally.rounds);
      const answers = await asked;
      const wrong = answers.filter(({ status }) => ![200, 409, 503].includes(status));
      findings.expect(wrong.length === 0, `round ${tally.rounds}: ${wrong[0]?.status}`);
      tally.leases += answers.filter(({ lease }) => lease !== null).length;
      tally.reconnected += await reconnect(crowd);
      count(claude.logins.book.lineages, crowd.misused, findings);
    }
  } finally {
    clearInterval(gate);
  }
  findings.tried = claude.logins.count('renewed');
  findings.number('rounds', tally.rounds);
  findings.number('workers killed', tally.kills);
  findings.number('workers stopped', tally.stalls);
  findings.number('leases given', tally.leases);
  findings.number('exchanges', findings.tried);
  findings.number('logins whose answer was lost with the worker, connected anew', tally.reconnected);
}

/** Kills or stalls one of the workers, in turns, some moment after the crowd has asked. */
async function strike(cluster: LoginCluster['cluster'], round: number): Promise<void> {
  const name = `worker-${1 + (round % 2)}`;
  await delay(Math.random() * KILL_MS);
  if (round % STALL_EVERY === 0) {
    const { pid } = cluster.process(name);
    process.kill(pid, 'SIGSTOP');
    await delay(STALL_MS);
    process.kill(pid, 'SIGCONT');
    return;
  }
  await cluster.kill(name);
  await cluster.start(name);
}

/** What only a person can mend is mended by its person. How many. */
async function reconnect(crowd: Crowd): Promise<number> {
  let count = 0;
  for (const { api } of crowd.persons) {
    const { body } = await api.get<{ items: { kind: string; status: string; scope: string }[] }>(
      api.path('/credentials'),
    );
    const isLost = body.items.some(({ scope, status }) => scope === 'user' && status === 'rejected');
    if (!isLost) continue;
    await connect(crowd.place, api);
    count += 1;
  }
  return count;
}
