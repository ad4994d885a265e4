import type { Lease } from '../../src/contracts/index.js';
import type { GithubComment, GithubRepository, GithubUser } from '../emulators/github-world.js';
import type { LinearOrganization, LinearSession, LinearUser } from '../emulators/linear-world.js';
import type { CanaryBerth } from './canary-berth.js';
import { Canary } from './canary.js';
import { eventually } from './eventually.js';
import { machinesOf } from './machines.js';
import { withClient } from './tables.js';

const org = '/api/v1/organizations/acme';
const FORM = { accept: 'text/html' };

/** What shows that both systems were lived with. */
export interface LivedTrackers {
  /** What became of deliveries, by the rows. */
  outcomes: string[];
  /** What renewals of the login at Linear came to, by Linear's own book. */
  renewals: string[];
  /** A token of the installation was lent for git, and ended with its workspace. */
  lent: boolean;
}

/**
 * Linear and GitHub, connected as an admin does, used as people do, and disconnected; each login refused, renewed in every way and ended, and at each step an answer that quotes what it was asked with. All
 * that ever was secret is looked for at the end.
 */
export async function liveTrackers(berth: CanaryBerth, key: string): Promise<LivedTrackers> {
  const { clientSecret, webhookSecret } = berth.linear.app;
  keep(berth, 'secret of the app at Linear', clientSecret);
  keep(berth, 'webhook secret at Linear', webhookSecret);
  const acme = berth.linear.addOrganization('acme');
  await berth.call('POST', `${org}/mappings`, { linearTeamKey: 'ENG', repository: 'acme/app' }, key);
  await connectLinear(berth, key, acme);
  await workAtLinear(berth, key, acme);
  const renewals = berth.linear.logins.calls.map(({ outcome }) => outcome);
  const { repository, ada } = await connectGithub(berth, key);
  const lent = await workAtGithub(berth, key, repository, ada);
  const outcomes = await sql<{ outcome: string }>(berth, 'SELECT DISTINCT outcome FROM delivery ORDER BY 1');
  await readAll(berth, key);
  await rememberProofs(berth);
  for (const system of ['linear', 'github'])
    await berth.call('DELETE', `${org}/integrations/${system}`, undefined, key);
  rememberTokens(berth);
  return { outcomes: outcomes.map(({ outcome }) => outcome), renewals, lent };
}

async function connectLinear(berth: CanaryBerth, key: string, acme: LinearOrganization): Promise<void> {
  const { linear } = berth;
  acme.addTeam('ENG');
  const place = `${org}/integrations/linear/connect`;
  // Refused, in words and in a code that quote what was sent.
  for (const error of ['invalid_grant', linear.app.clientSecret]) {
    const { back, code } = await goThere(berth, await linkFrom(berth, place, key));
    const body = { error, error_description: `${code} ${linear.app.clientSecret}` };
    linear.fail({ status: 400, body, match: { grant: 'authorization_code' } });
    await comeBack(berth, back);
  }
  await comeBack(berth, (await goThere(berth, await linkFrom(berth, place, key))).back);
}

async function workAtLinear(berth: CanaryBerth, key: string, acme: LinearOrganization): Promise<void> {
  const { linear } = berth;
  const { logins } = linear;
  const ada = acme.addUser({ name: 'Ada', email: 'ada@example.com' });
  linear.signIn(acme, ada);
  const own = '/api/v1/me/external-accounts/linear/connect';
  await comeBack(
    berth,
    (await goThere(berth, await linkFrom(berth, own, key, { organization: 'acme' }))).back,
  );
  linear.webhooks.url = `${berth.app.url}/webhooks/linear`;
  const [team] = acme.teams.values();
  const { session } = await linear.delegate(acme, acme.addIssue(team?.id ?? '', { title: 'A button' }), ada);
  await handled(berth);
  const say = (text: string): Promise<void> => write(berth, acme, session, ada, text);
  const token = tokensOf(berth).find((each) => logins.grantOf(each) !== null) ?? '';
  const errors = [{ message: `no ${token} here`, extensions: { type: 'other' } }];
  for (const status of [400, 401])
    linear.fail({ status, body: { errors }, match: { operation: 'agentActivityCreate' } });
  await say('refused, with the token quoted');
  for (const mode of ['lost-answer', 'garbage'] as const) {
    logins.book.revokeLiving();
    linear.fail({ mode, match: { grant: 'refresh_token' } });
    await say(mode);
  }
  logins.book.revokeLiving();
  const error = tokensOf(berth).join(' ');
  const body = { error, error_description: error };
  linear.fail({ status: 400, body, match: { grant: 'refresh_token' } });
  await say('a renewal that fails, and quotes what it was asked with');
  logins.endAll(acme.id);
  await say('an end');
  for (const rest of ['', '/rotations?limit=100'])
    await berth.call('GET', `${org}/credentials/organization/linear_app${rest}`, undefined, key);
  const admin = [...acme.users.values()].find((user) => user.admin);
  if (admin) linear.signIn(acme, admin);
  const place = `${org}/integrations/linear/connect`;
  await comeBack(berth, (await goThere(berth, await linkFrom(berth, place, key))).back);
}

/** Every token that Linear ever gave. */
const tokensOf = ({ linear }: CanaryBerth): string[] =>
  linear.logins.book.lineages.flatMap(({ id }) => linear.logins.book.tokensOf(id));

async function write(
  berth: CanaryBerth,
  acme: LinearOrganization,
  session: LinearSession,
  by: LinearUser,
  text: string,
): Promise<void> {
  await berth.linear.prompt(acme, session, by, text);
  await handled(berth);
}

/** The App is made by a manifest, installed, and its installer connected. */
async function connectGithub(
  berth: CanaryBerth,
  key: string,
): Promise<{ repository: GithubRepository; ada: GithubUser }> {
  const { github } = berth;
  const ada = github.make.user('ada');
  const acme = github.make.organization('acme', [ada]);
  const repository = await github.make.repository(acme, 'app');
  Object.assign(github.browser, { user: ada, target: acme });
  const place = `${org}/integrations/github/connect`;
  const form = await (await fetch(await linkFrom(berth, place, key), { headers: FORM })).text();
  const part = (of: RegExp, text: string): string =>
    (of.exec(text)?.[1] ?? '').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  const made = await fetch(part(/action="([^"]+)"/, form), {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ manifest: part(/value="([^"]+)"/, form) }),
  });
  const back = new URL(made.headers.get('location') ?? '');
  keep(berth, 'code of a manifest', back.searchParams.get('code') ?? '');
  // It hands out the state of the next step.
  const page = await (await fetch(back, { headers: FORM })).text();
  const [app] = github.world.apps.values();
  if (!app) throw new Error('no App was made');
  keep(berth, 'secret of the App at GitHub', app.clientSecret);
  keep(berth, 'webhook secret at GitHub', app.webhookSecret ?? '');
  for (const line of app.pem.split('\n').slice(2, 5)) keep(berth, 'private key of the App', line);
  const install = part(/href="([^"]+installations[^"]+)"/, page);
  await comeBack(berth, (await goThere(berth, install)).back);
  const own = '/api/v1/me/external-accounts/github/connect';
  const link = () => linkFrom(berth, own, key, { organization: 'acme' });
  const { back: refused, code } = await goThere(berth, await link());
  const message = `${code} ${app.clientSecret}`;
  github.fail({
    status: 400,
    body: { message, error: message },
    match: { path: '/login/oauth/access_token' },
  });
  await comeBack(berth, refused);
  await comeBack(berth, (await goThere(berth, await link())).back);
  return { repository, ada };
}

/** Mentions, one of which is refused in words that quote the tokens; git in the workspace, and its end. */
async function workAtGithub(
  berth: CanaryBerth,
  key: string,
  repository: GithubRepository,
  ada: GithubUser,
): Promise<boolean> {
  const { github } = berth;
  const { number } = await github.make.pull(repository, ada);
  const [app] = github.world.apps.values();
  const mention = async (text: string): Promise<GithubComment> => {
    const comment = github.make.comment(repository, number, ada, `@${app?.slug ?? ''} ${text}`);
    await github.hooks.deliver('issue_comment', github.events.issueComment(repository, comment));
    await handled(berth);
    return comment;
  };
  await mention('look at this');
  const quoted = { message: `Bad credentials ${github.tokens.minted.join(' ')}` };
  github.fail({ status: 422, body: quoted, match: { path: `/api/v3/repos/acme/app/collaborators` } });
  await mention('and this');
  await mention('and that');
  const [{ id } = { id: '' }] = await sql<{ id: string }>(
    berth,
    `SELECT workspace_id AS id FROM conversation WHERE system = 'github' AND workspace_id IS NOT NULL`,
  );
  const { runner, proxy } = await machinesOf(berth.app, id);
  keep(berth, 'runner token', runner.token);
  keep(berth, 'proxy token', proxy.token);
  await runner.start();
  const { secret } = await berth.handOut<Lease>('/internal/v1/proxy/lease', { upstream: 'git' }, proxy.token);
  const token = 'token' in secret ? secret.token : '';
  for (const list of ['', '/messages', '/events'])
    await berth.call('GET', `${org}/workspaces/${id}${list}`, undefined, key);
  github.fail({ status: 500, body: { message: token }, match: { path: '/api/v3/installation/token' } });
  await berth.call('DELETE', `${org}/workspaces/${id}`, undefined, key);
  await eventually('its end was asked for', () =>
    github.requests.some(({ method, path }) => method === 'DELETE' && path.endsWith('/installation/token')),
  );
  return github.tokens.minted.includes(token);
}

/** A link that Berth hands out, whose state is a secret of whoever asked for it. */
async function linkFrom(berth: CanaryBerth, path: string, key: string, body?: object): Promise<string> {
  const { url } = await berth.handOut<{ url: string }>(path, body, key);
  await rememberProofs(berth);
  return url;
}

/** As a browser goes to the other system, where who sits there agrees. */
async function goThere(berth: CanaryBerth, link: string): Promise<{ back: string; code: string }> {
  keep(berth, 'state of a connection', new URL(link).searchParams.get('state') ?? '');
  const there = await fetch(link, { redirect: 'manual' });
  const back = there.headers.get('location') ?? '';
  const code = new URL(back).searchParams.get('code') ?? '';
  keep(berth, 'code of a connection', code);
  return { back, code };
}

async function comeBack(berth: CanaryBerth, back: string): Promise<void> {
  const answer = await fetch(back, { headers: FORM });
  const headers = JSON.stringify([...answer.headers]);
  berth.heard(`a browser at ${new URL(back).pathname}`, `${await answer.text()} ${headers}`);
}

/** All that came was handled, and all that is to be said was said or given up. */
async function handled(berth: CanaryBerth): Promise<void> {
  await eventually('everything is handled', async () => {
    const [row] = await sql<{ open: number }>(
      berth,
      `SELECT (SELECT count(*) FROM delivery WHERE state NOT IN ('processed', 'failed'))::int AS open`,
    );
    return row?.open === 0;
  });
}

async function readAll(berth: CanaryBerth, key: string): Promise<void> {
  for (const path of [
    '/integrations',
    '/integrations/linear',
    '/integrations/github',
    '/deliveries',
    '/conversations',
  ])
    await berth.call('GET', org + path, undefined, key);
  await berth.call('GET', '/api/v1/me/external-accounts', undefined, key);
  for (const system of ['linear', 'github']) await berth.command(key, '', 'integrations', system, 'show');
}

/** What proves an attempt to connect. It is in the rows, sealed. */
async function rememberProofs(berth: CanaryBerth): Promise<void> {
  const attempts = await sql<{ id: string; organization_id: string; sealed: string }>(
    berth,
    'SELECT id, organization_id, sealed FROM connection_attempt',
  );
  for (const { id: rowId, organization_id: organizationId, sealed } of attempts) {
    const place = { purpose: 'connection-attempt' as const, organizationId, rowId };
    const { verifier } = JSON.parse(await berth.app.parts.vault.open(sealed, place)) as { verifier: string };
    keep(berth, 'verifier of a connection', verifier);
  }
}

/** By the systems' own books, old and new; and what the App signed for itself. */
function rememberTokens(berth: CanaryBerth): void {
  for (const token of tokensOf(berth)) keep(berth, 'token of Linear', token);
  for (const token of berth.github.tokens.minted) keep(berth, 'token of GitHub', token);
  const signed = berth.github.requests.filter(({ credential }) => credential.value.startsWith('eyJ'));
  for (const { credential } of signed) keep(berth, 'proof of the App', credential.value);
}

/** What of a text is random: not its kind, and of a signed one the signature. Once each. */
function keep(berth: CanaryBerth, name: string, text: string): void {
  const random = /^(ghs_\d+_)?eyJ/.test(text)
    ? (text.split('.').at(-1) ?? '')
    : text.replace(/^(lin_[a-z]+_|gh[oprsu]_)/, '');
  if (random.length < 16) throw new Error(`${name} is too short to be looked for`);
  if (!berth.canaries.some((known) => known.random === random))
    berth.canaries.push(new Canary(name, '', random));
}

function sql<T>(berth: CanaryBerth, text: string): Promise<T[]> {
  return withClient(berth.app.database.ownerUrl, async (client) => (await client.query(text)).rows as T[]);
}
