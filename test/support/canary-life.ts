import type { Lease, WorkspaceView } from '../../src/contracts/index.js';
import { systemIds } from '../../src/kernel/index.js';
import type { CanaryBerth } from './canary-berth.js';
import { credentialCanaries, passwordCanary, type CredentialCanaries } from './canary-credentials.js';
import { liveLogins, type LivedLogins } from './canary-logins.js';
import { liveTrackers, type LivedTrackers } from './canary-trackers.js';
import { requestJson } from './http.js';
import { machinesOf } from './machines.js';

const org = '/api/v1/organizations/acme';
const EMAIL = 'ada@example.com';

/** What shows that a life was one: its numbers are known. */
export interface Lived {
  /** Credentials that were set over another one. */
  replaced: number;
  /** Requests with a secret where it does not belong. */
  mistakes: number;
  /** The tokens that the proxy was given are those that were set. */
  served: boolean;
  logins: LivedLogins;
  trackers: LivedTrackers;
}

/** A life with everything in it that touches a secret, also by mistake. Each secret is random, and used for nothing else. */
export async function live(berth: CanaryBerth): Promise<Lived> {
  const credentials = (name: string): CredentialCanaries => {
    const made = credentialCanaries(name);
    berth.canaries.push(...made.canaries);
    return made;
  };
  const [mine, ours, former] = [credentials('user'), credentials('organization'), credentials('replaced')];
  const password = passwordCanary('password');
  berth.canaries.push(password);
  const user = { name: 'Ada', email: EMAIL, password: password.text };
  const { setupToken } = berth.app;
  const setUp = { token: setupToken, organization: { name: 'Acme', slug: 'acme' }, user };
  const { apiKey } = await berth.handOut<{ apiKey: string }>('/api/v1/setup', setUp);
  const key = berth.remember('API key', apiKey);
  berth.remember('setup token', setupToken);
  await keysAndInvitations(berth, key);
  await signInAndOut(berth, password.text);
  await setAll(berth, key, [
    ['user', former],
    ['user', mine],
    ['organization', ours],
  ]);
  await mistakes(berth, key, credentials('mistaken'));
  await byCommand(berth, key, credentials('typed'), credentials('mistyped'));
  await setAll(berth, key, [['user', mine]]);
  const served = await work(berth, key);
  const trackers = await liveTrackers(berth, key);
  for (const kind of Object.keys(mine.bodies))
    await berth.call('DELETE', `${org}/credentials/user/${kind}`, undefined, key);
  const logins = await liveLogins(berth, key, ours.bodies.anthropic_api_key.apiKey);
  await readAll(berth, key);
  return {
    replaced: berth.answers.filter((answer) => /^PUT.*"generation":[2-9]/.test(answer)).length,
    mistakes: berth.answers.filter((answer) => answer.includes('"validation-failed"')).length,
    served: served.join() === [mine.bodies.claude_setup_token.token, mine.bodies.git_token.token].join(),
    logins,
    trackers,
  };
}

/** What Berth makes and shows once: again for a retry, and then never. */
async function keysAndInvitations(berth: CanaryBerth, key: string): Promise<void> {
  const retried = { 'idempotency-key': systemIds.next() };
  const make = () => berth.handOut<{ apiKey: string }>(`${org}/api-keys`, { name: 'second' }, key, retried);
  berth.remember('second API key', (await make()).apiKey);
  // The answer that was kept, sealed, is opened.
  await make();
  const invited = { email: 'bob@example.com', role: 'member' };
  const { url } = await berth.handOut<{ url: string }>(`${org}/invitations`, invited, key);
  const token = berth.remember('invitation token', new URL(url).searchParams.get('token') ?? '');
  const password = passwordCanary('password of who was invited');
  berth.canaries.push(password);
  const accept = { token, name: 'Bob', password: password.text };
  const joined = await berth.handOut<{ apiKey: string }>('/api/v1/invitations/accept', accept);
  berth.remember('API key of who was invited', joined.apiKey);
  await berth.call('POST', '/api/v1/invitations/accept', accept);
  await berth.call('GET', '/api/v1/me', undefined, joined.apiKey);
}

async function signInAndOut(berth: CanaryBerth, password: string): Promise<void> {
  const guess = passwordCanary('wrong password');
  berth.canaries.push(guess);
  const { url } = berth.app;
  for (const wrong of [guess.text, { text: guess.text }])
    await berth.call('POST', '/api/v1/session', { email: EMAIL, password: wrong });
  const answer = await requestJson(`${url}/api/v1/session`, 'POST', { email: EMAIL, password });
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  berth.remember('session token', cookie.replace('berth_session=', ''));
  await requestJson(`${url}/api/v1/me`, 'GET', undefined, { cookie });
  await requestJson(`${url}/api/v1/session`, 'DELETE', undefined, { cookie, origin: url });
}

async function setAll(
  berth: CanaryBerth,
  key: string,
  sets: readonly [string, CredentialCanaries][],
): Promise<void> {
  for (const [scope, { bodies }] of sets)
    for (const [kind, body] of Object.entries(bodies))
      await berth.call('PUT', `${org}/credentials/${scope}/${kind}`, body, key);
  for (const agent of ['claude', 'codex'])
    await berth.call('GET', `${org}/credentials/resolution?agent=${agent}`, undefined, key);
}

/** Secrets where they do not belong. The key's name is the one thing that is shown back, so none is used as one. */
async function mistakes(berth: CanaryBerth, key: string, { canaries }: CredentialCanaries): Promise<void> {
  const [anthropic = '', setup = '', openai = '', secret = ''] = canaries.map(({ text }) => text);
  const wrong: [string, unknown][] = [
    ['anthropic_api_key', { apiKey: setup }],
    ['anthropic_api_key', { apiKey: ` ${anthropic}` }],
    ['anthropic_api_key', { apiKey: [anthropic] }],
    ['anthropic_api_key', { apikey: anthropic }],
    ['claude_setup_token', { token: anthropic }],
    ['openai_api_key', { apiKey: anthropic, fallback: secret }],
    ['aws_bedrock', { accessKeyId: secret, secretAccessKey: anthropic, region: openai }],
    ['aws_bedrock', anthropic],
    ['git_token', { host: 'github.com', token: anthropic }],
    ['git_token', { host: secret, token: `${openai} ` }],
  ];
  for (const [kind, body] of wrong) await berth.call('PUT', `${org}/credentials/user/${kind}`, body, key);
  const repository = `https://user:${openai}@github.com/a/b`;
  await berth.call('POST', `${org}/workspaces`, { repository }, key);
  await berth.call('GET', `/api/v1/me`, undefined, anthropic);
  const { url } = berth.app;
  await requestJson(`${url}/setup?token=${openai}`, 'GET', undefined);
  await requestJson(`${url}/api/v1/me?access_token=${secret}`, 'GET', undefined);
  const path = `${org}/credentials/user/anthropic_api_key`;
  const broken = await fetch(`${url}${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: `{"apiKey":"${anthropic}"`,
  });
  berth.heard(`PUT ${path}, broken`, await broken.text());
}

/** The same by the command, as text and as JSON. */
async function byCommand(
  berth: CanaryBerth,
  key: string,
  { bodies }: CredentialCanaries,
  mistyped: CredentialCanaries,
): Promise<void> {
  const run = (input: string, ...args: string[]): Promise<number> => berth.command(key, input, ...args);
  const set = ['credentials', 'set'];
  await run(`${bodies.anthropic_api_key.apiKey}\n`, ...set, 'anthropic_api_key');
  await run(bodies.claude_setup_token.token, ...set, 'claude_setup_token', '--json');
  await run(bodies.openai_api_key.apiKey, ...set, 'openai_api_key', '--scope', 'organization');
  await run(bodies.git_token.token, ...set, 'git_token', '--host', 'github.com');
  const {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  } = bodies.aws_bedrock;
  const printed = JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey, SessionToken });
  await run(printed, ...set, 'aws_bedrock', '--region', 'eu-central-1');
  const { anthropic_api_key: anthropic, claude_setup_token: setup } = mistyped.bodies;
  await run(setup.token, ...set, 'anthropic_api_key');
  await run(`${anthropic.apiKey} x`, ...set, 'anthropic_api_key', '--json');
  await run(anthropic.apiKey, ...set, 'openai_api_key');
  for (const json of [[], ['--json']])
    for (const args of [
      ['credentials', 'list'],
      ['credentials', 'explain', 'claude'],
      ['api-keys', 'list'],
      ['invitations', 'list'],
      ['members', 'list'],
      ['limits', 'show'],
      ['workspaces', 'list'],
      ['audit', 'list'],
      ['audit', 'verify'],
      ['credentials', 'delete', 'no_such_kind'],
    ])
      await run('', ...args, ...json);
  await run('', 'audit', 'export');
}

/** The runner starts, the proxy leases for the model and for git and reports refusals, then the workspace sleeps. Answers the tokens that the proxy was given. */
async function work(berth: CanaryBerth, key: string): Promise<string[]> {
  const input = { repository: 'owner/name', message: 'hello' };
  const { id } = await berth.call<WorkspaceView>('POST', `${org}/workspaces`, input, key);
  const { runner, proxy } = await machinesOf(berth.app, id);
  berth.remember('runner token', runner.token);
  berth.remember('proxy token', proxy.token);
  const { runnerId } = runner;
  await berth.call('POST', '/internal/v1/runner/hello', { runnerId, pid: 1 }, runner.token);
  const items = [{ n: 1, type: 'workspace.prepared' }];
  await berth.call('POST', '/internal/v1/runner/report', { runnerId, items }, runner.token);
  const served: string[] = [];
  for (const upstream of ['anthropic', 'git']) {
    const lease = await berth.handOut<Lease>('/internal/v1/proxy/lease', { upstream }, proxy.token);
    const { credentialId, generation, secret } = lease;
    served.push('token' in secret ? secret.token : '');
    const why = { status: 401, errorType: 'authentication_error' };
    const refused = { id: systemIds.next(), type: 'refused', credentialId, generation, ...why };
    await berth.call('POST', '/internal/v1/proxy/report', { items: [refused] }, proxy.token);
  }
  await berth.handOut('/internal/v1/proxy/lease', { upstream: 'openai' }, proxy.token);
  await berth.call('POST', `${org}/workspaces/${id}/hibernate`, undefined, key);
  await berth.app.api(key, 'acme').untilState(id, 'hibernated');
  for (const list of ['', '/operations', '/messages', '/events'])
    await berth.call('GET', `${org}/workspaces/${id}${list}`, undefined, key);
  return served;
}

async function readAll(berth: CanaryBerth, key: string): Promise<void> {
  for (const list of ['', '/credentials', '/api-keys', '/invitations', '/members', '/limits', '/workspaces'])
    await berth.call('GET', org + list, undefined, key);
  for (const path of [`${org}/audit`, '/api/v1/instance/audit'])
    for (const part of ['?limit=100', '/verification', '/export'])
      await berth.call('GET', path + part, undefined, key);
  await berth.call('POST', '/api/v1/instance/keys/rotate', undefined, key);
  await berth.call('GET', '/api/v1/instance/keys', undefined, key);
  for (const path of ['/healthz', '/metrics', '/openapi.json', '/api/v1/me', '/nowhere'])
    await berth.call('GET', path, undefined, key);
}
