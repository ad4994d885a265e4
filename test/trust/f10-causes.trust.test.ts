import type { Resolution } from '../../src/contracts/index.js';
import type { FailureRule } from '../emulators/failures.js';
import type { IssuedPair } from '../emulators/login-book.js';
import { eventually } from '../support/eventually.js';
import { AskedModels, type Asked } from './support/asked-models.js';
import { quotaOf } from './support/fallback-chains.js';
import { figure, playsInFull, type Findings } from './figure.js';

/** Workspaces at once. */
const lanes = playsInFull ? 6 : 3;

/** What goes wrong, and what is to come of it. */
interface Cause {
  name: string;
  /** What the model does with each call by this login. */
  fails?: FailureRule;
  /** The provider ends the whole login, so that the one renewal that is tried is refused too. */
  ended?: true;
  quota?: true;
  /** Calls of the token endpoint for this login. */
  renewals: 0 | 1;
  reached: boolean;
}

const answered = { renewals: 0, reached: false } as const;
const error = (type: string, message: string) => ({ type: 'error', error: { type, message } });

const causes: readonly Cause[] = [
  { name: 'nothing', renewals: 0, reached: true },
  { name: 'quota: 429 of a plan that is used up', quota: true, ...answered },
  { name: 'quota: 429 of a rate', fails: { status: 429, headers: { 'retry-after': '1' } }, ...answered },
  { name: 'quota: credit spent, 402', fails: { status: 402 }, ...answered },
  {
    name: 'quota: credit spent, 400',
    fails: {
      status: 400,
      body: error('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    },
    ...answered,
  },
  { name: 'overload: 529', fails: { status: 529 }, ...answered },
  { name: 'overload: 500', fails: { status: 500 }, ...answered },
  { name: 'overload: 503', fails: { status: 503 }, ...answered },
  { name: 'auth: 401', fails: { status: 401 }, renewals: 1, reached: true },
  { name: 'auth: 403 of a token that was revoked', fails: { status: 403 }, renewals: 1, reached: true },
  { name: 'auth: 401 of a login that is over', ended: true, renewals: 1, reached: false },
  {
    name: 'auth: 403 of what the login may not',
    fails: {
      status: 403,
      body: error('permission_error', 'Your account does not have access to this model.'),
    },
    ...answered,
  },
  { name: 'network: cut before the answer', fails: { mode: 'cut-before-head' }, ...answered },
];

figure(
  {
    id: 'F10',
    scenario:
      'messages of a member with a Claude login, through the real proxy, whose model call meets a plan that is used up, a rate, spent credit, overload, errors of the provider, a refused token (401, 403), a login that is over, a model it may not use, and a connection that is cut; the runner says each time that the agent ended well',
    line: 'quota, overload, network and what a login may not cause 0 renewals; a refused token exactly 1; a used-up plan is shown with its end; a run that never reached the model is never completed (0 of 500)',
    rounds: { small: causes.length, full: 50 * causes.length },
    countedAt: 'the emulator’s book of the token endpoint, and its ledger of answered calls',
    time: 'injected',
    fullMinutes: 15,
  },
  async (findings) => {
    const plays: Played[] = [];
    await AskedModels.play(lanes, async (lane, at) => {
      const mine: Played[] = [];
      for (let round = at; round < findings.rounds; round += lanes) {
        const cause = causes[round % causes.length];
        if (cause) mine.push(await play(lane, cause, round, findings));
      }
      // At the end: what comes late counts too.
      for (const { name, cause, lineage } of mine) {
        const calls = lane.claude.logins.calls.filter((call) => call.lineage === lineage).length;
        findings.expect(calls === cause.renewals, `${name}: ${calls} calls of the token endpoint`);
      }
      plays.push(...mine);
    });
    const unreached = plays.filter(({ reached }) => !reached);
    findings.number('runs that never reached the model', unreached.length);
    findings.number('of them completed', unreached.filter(({ state }) => state === 'completed').length);
    findings.number('renewals of refused tokens', plays.filter(({ cause }) => cause.renewals === 1).length);
  },
);

interface Played {
  name: string;
  cause: Cause;
  lineage: string;
  /** By the ledger. */
  reached: boolean;
  state: string;
}

async function play(ground: AskedModels, cause: Cause, round: number, findings: Findings): Promise<Played> {
  const name = `round ${round}, ${cause.name}`;
  const [member] = ground.members;
  const { logins } = ground.claude;
  await ground.clear(member);
  const pair = logins.issue();
  const { accessToken, refreshToken, lineage } = pair;
  const expiresAt = pair.expiresAt.toISOString();
  await ground.set(member, 'user', 'claude_oauth', { accessToken, refreshToken, expiresAt });
  begin(ground, cause, pair);
  const asked = await ground.ask(member, name, { ends: () => ({ result: 'completed' }) });
  const reached = asked.sent.some(({ status }) => status === 200);
  findings.expect(
    reached === cause.reached,
    `${name}: the model ${reached ? 'answered' : 'was not reached'}`,
  );
  const { state } = asked.message;
  findings.expect((state === 'completed') === reached, `${name}: the message is ${state}`);
  await checkShown(ground, cause, asked, name, findings);
  return { name, cause, lineage, reached, state };
}

function begin({ claude, clock }: AskedModels, { fails, ended, quota }: Cause, pair: IssuedPair): void {
  const { accessToken, lineage } = pair;
  if (fails) claude.fail({ ...fails, match: { credential: accessToken }, times: 'always' });
  if (quota) claude.fail(quotaOf(accessToken, clock.now()));
  if (ended) claude.logins.book.end(lineage);
}

/** A plan that is used up is a state of its own; of all else but an end, the login is as well as before. */
async function checkShown(
  ground: AskedModels,
  { quota, ended }: Cause,
  { message }: Asked,
  name: string,
  findings: Findings,
): Promise<void> {
  const [member] = ground.members;
  const shown = () => ground.shown(member, 'claude_oauth');
  if (quota) await eventually('the limit is known', async () => (await shown()).limitedUntil !== null);
  const { status, limitedUntil } = await shown();
  findings.expect(status === (ended ? 'rejected' : 'active'), `${name}: the login is shown as ${status}`);
  findings.expect(
    (limitedUntil !== null) === (quota ?? false),
    `${name}: limited until ${String(limitedUntil)}`,
  );
  if (message.state === 'failed')
    findings.expect(
      message.error?.code === 'model-not-reached',
      `${name}: it says ${message.error?.code ?? 'nothing'}`,
    );
  if (!quota) return;
  const path = member.api.path('/credentials/resolution?agent=claude');
  const [first] = (await member.api.get<Resolution>(path)).body.candidates;
  const says = first?.reason.includes(`has used up its plan's quota until ${String(limitedUntil)}`);
  findings.expect(says === true, `${name}: explained as ${first?.reason ?? 'nothing'}`);
}
