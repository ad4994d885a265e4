import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CredentialView, TurnOutcome, WorkspaceView } from '../../src/contracts/index.js';
import { send } from '../../src/proxy/testing/http.js';
import { Workspaces } from '../../src/proxy/workspaces.js';
import type { CanaryBerth } from './canary-berth.js';
import { Canary } from './canary.js';
import type { Device, Paste } from './connecting.js';
import { eventually } from './eventually.js';
import { machinesOf } from './machines.js';
import { withClient } from './tables.js';

const org = '/api/v1/organizations/acme';
const PLACEHOLDER = 'placeholder-of-a-canary';
const WIF = {
  federationRuleId: 'fdrl_01Canary',
  organizationId: '00000000-0000-4000-8000-000000000001',
  serviceAccountId: 'svac_01Canary',
  identity: 'berth',
};
const UNAUTHENTICATED: TurnOutcome = {
  result: 'failed',
  code: 'agent-authentication',
  message: 'The login was refused.',
};

/** What shows that logins lived. */
export interface LivedLogins {
  /** What became of renewals, by the rows. */
  outcomes: string[];
  /** The kinds that served a call of the agent, by receipts. */
  served: string[];
  /** How the second attempt of the turn began. */
  mode: string;
}

/** Logins of every kind, connected and brought, with renewals of each outcome, held calls, fallbacks and a replay, through the real proxy. All tokens that ever were are looked for at the end. */
export async function liveLogins(berth: CanaryBerth, key: string, meteredKey: string): Promise<LivedLogins> {
  await connectClaude(berth, key);
  await connectChatgpt(berth, key);
  const outcomes = new Set(await renewInEveryWay(berth, key));
  const lived = await callThroughAll(berth, key, meteredKey);
  for (const outcome of await outcomesOf(berth)) outcomes.add(outcome);
  await rememberTokens(berth);
  for (const kind of ['claude_oauth', 'openai_oauth', 'anthropic_wif'])
    for (const scope of ['user', 'organization'])
      for (const rest of ['', '/rotations?limit=100', '/authorization'])
        await berth.call('GET', `${org}/credentials/${scope}/${kind}${rest}`, undefined, key);
  return { ...lived, outcomes: [...outcomes].sort() };
}

/** By a link and a code, after some that are wrong. */
async function connectClaude(berth: CanaryBerth, key: string): Promise<void> {
  const place = `${org}/credentials/user/claude_oauth/authorization`;
  const begun = await berth.handOut<Paste>(place, undefined, key);
  keep(berth, 'state of a login', begun.state);
  await rememberProofs(berth);
  const [code = ''] = berth.claude.logins.codeFor(begun.authorizationUrl).split('#');
  keep(berth, 'code of a login', code);
  const paste = (text: string): Promise<unknown> =>
    berth.call('POST', `${place}/complete`, { code: text }, key);
  for (const wrong of [code, `${code}#another-state`, `${begun.state}#${code}`, `?code=${code}`])
    await paste(wrong);
  await paste(` ${code.slice(0, 9)}\n${code.slice(9)}#${begun.state}\n`);
  await paste(`${code}#${begun.state}`);
}

/** By a code that is typed at the provider. */
async function connectChatgpt(berth: CanaryBerth, key: string): Promise<void> {
  const place = `${org}/credentials/user/openai_oauth/authorization`;
  const { userCode } = await berth.handOut<Device>(place, undefined, key);
  await rememberProofs(berth);
  berth.openai.logins.approve(userCode);
  await eventually('ChatGPT is connected', async () => {
    const { state } = await berth.call<{ state: string }>('GET', place, undefined, key);
    return state === 'connected';
  });
  await berth.call('POST', `${org}/credentials/user/openai_oauth/rotate`, undefined, key);
  berth.openai.logins.book.end();
  await berth.call('POST', `${org}/credentials/user/openai_oauth/rotate`, undefined, key);
}

/** Renewed, ended by the provider, an answer that is lost, and one that cannot be read. Answers what came of them. */
async function renewInEveryWay(berth: CanaryBerth, key: string): Promise<string[]> {
  const place = `${org}/credentials/organization/claude_oauth`;
  const { logins } = berth.claude;
  for (const meets of ['nothing', 'end', 'lost-answer', 'garbage'] as const) {
    const { lineage, accessToken, refreshToken, expiresAt } = logins.issue();
    const body = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    await berth.call('PUT', place, { ...body, accessToken: refreshToken, refreshToken: accessToken }, key);
    await berth.call('PUT', place, body, key);
    if (meets === 'end') logins.book.end(lineage);
    else if (meets !== 'nothing') berth.claude.fail({ mode: meets, match: { refreshToken } });
    await berth.call('POST', `${place}/rotate`, undefined, key);
  }
  // Its rotations go with it.
  const outcomes = await outcomesOf(berth);
  await berth.call('DELETE', place, undefined, key);
  return outcomes;
}

async function outcomesOf(berth: CanaryBerth): Promise<string[]> {
  const rows = await sql(berth, 'SELECT DISTINCT state FROM credential_rotation');
  return rows.map(({ state }) => String(state));
}

/** One workspace, whose calls meet a login that is revoked, then ended, then a key that is refused for good; then another attempt is served by workload identity. */
async function callThroughAll(
  berth: CanaryBerth,
  key: string,
  meteredKey: string,
): Promise<Pick<LivedLogins, 'served' | 'mode'>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'berth-canary-'));
  const { anthropicUrl, openaiUrl } = { anthropicUrl: berth.claude.url, openaiUrl: berth.openai.url };
  const proxy = new Workspaces({
    internalUrl: berth.app.url,
    anthropicUrl,
    openaiUrl,
    chatgptUrl: openaiUrl,
    bedrockUrl: anthropicUrl,
    bedrockModels: {},
    log: berth.log,
    limits: { notYetSeconds: 0.02, firstRetrySeconds: 0.02 },
  });
  berth.app.runtime.forget = (credentialId) => proxy.forget(credentialId);
  try {
    const input = { repository: 'owner/name', message: 'hello' };
    const { id } = await berth.call<WorkspaceView>('POST', `${org}/workspaces`, input, key);
    const machines = await machinesOf(berth.app, id);
    const { runner } = machines;
    keep(berth, 'runner token', runner.token);
    keep(berth, 'proxy token', machines.proxy.token);
    const socketPath = path.join(folder, 's');
    await proxy.open({
      type: 'open',
      requestId: id,
      workspaceId: id,
      socketPath,
      placeholder: PLACEHOLDER,
      proxyToken: machines.proxy.token,
      git: null,
    });
    await runner.start();
    const first = await runner.claim(5);
    const ask = (): Promise<number> => call(berth, socketPath);
    berth.claude.accept(meteredKey);
    await ask();
    // Renewed at the second try.
    berth.claude.fail({ mode: 'html', status: 503, match: { grant: 'refresh_token' } });
    berth.claude.logins.book.revokeLiving();
    await ask();
    berth.claude.logins.book.end();
    await ask();
    berth.claude.revoke(meteredKey);
    await ask();
    await runner.report(runner.finished(first, UNAUTHENTICATED));
    await federate(berth, key);
    const again = await runner.claim(5);
    await ask();
    berth.claude.logins.federation.revoke();
    await ask();
    await runner.report(runner.finished(again, UNAUTHENTICATED));
    for (const list of ['', '/messages', '/events'])
      await berth.call('GET', `${org}/workspaces/${id}${list}`, undefined, key);
    const rows = await sql(berth, 'SELECT DISTINCT kind FROM receipt WHERE turn_id = $1', [first.turnId]);
    return { served: rows.map(({ kind }) => String(kind)).sort(), mode: again.mode };
  } finally {
    await proxy.closeAll();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Workload identity, by Berth as issuer. */
async function federate(berth: CanaryBerth, key: string): Promise<void> {
  const [{ id } = {}] = await sql(berth, 'SELECT id FROM organization');
  berth.claude.logins.federation.set({
    id: WIF.federationRuleId,
    organizationId: WIF.organizationId,
    serviceAccountId: WIF.serviceAccountId,
    issuer: berth.app.url,
    jwks: { url: `${berth.app.url}/.well-known/jwks.json` },
    subjectPrefix: `berth:organization:${String(id)}:workspace:*`,
    audience: 'https://api.anthropic.com',
    workspaces: ['wrkspc_01Canary'],
    tokenSeconds: 3600,
  });
  await berth.call<CredentialView>('PUT', `${org}/credentials/user/anthropic_wif`, WIF, key);
}

/** As an agent does; what it is answered is searched too. */
async function call(berth: CanaryBerth, socketPath: string): Promise<number> {
  const body = JSON.stringify({
    model: 'claude-haiku-4-5',
    max_tokens: 10,
    messages: [{ role: 'user', content: 'hello' }],
  });
  const headers = {
    authorization: `Bearer ${PLACEHOLDER}`,
    'anthropic-version': '2023-06-01',
    'content-type': 'application/json',
  };
  const answer = await send(socketPath, { path: '/anthropic/v1/messages', headers, body });
  berth.heard('agent', JSON.stringify(answer));
  return answer.status;
}

/** What proves an attempt to connect: a verifier, or the name of a device. It is in the rows, sealed. */
async function rememberProofs(berth: CanaryBerth): Promise<void> {
  const attempts = await sql(berth, 'SELECT id, organization_id, sealed FROM login_attempt');
  for (const { id, organization_id, sealed } of attempts) {
    const place = {
      purpose: 'login-attempt' as const,
      organizationId: String(organization_id),
      rowId: String(id),
    };
    const proof = JSON.parse(await berth.app.parts.vault.open(String(sealed), place)) as object;
    // A code that people type is short, and shown; so is where they type it.
    for (const [name, value] of Object.entries(proof))
      if (typeof value === 'string' && value.length >= 30 && !value.startsWith('http'))
        keep(berth, `proof of a login (${name})`, value);
  }
}

/** By the providers' own books: old and new, and whatever was lost on the way; and what Berth signs with. */
async function rememberTokens(berth: CanaryBerth): Promise<void> {
  for (const { logins } of [berth.claude, berth.openai])
    for (const { id } of logins.book.lineages)
      for (const token of logins.book.tokensOf(id)) keep(berth, 'token of a login', token);
  const { tokens, assertions } = berth.claude.logins.federation;
  for (const token of tokens) keep(berth, 'token of a workload', token);
  for (const assertion of assertions) keep(berth, 'assertion', assertion);
  const { system, vault } = berth.app.parts;
  for (const { id } of await system.issuerKeys.list()) {
    const place = { purpose: 'issuer-key' as const, organizationId: 'instance', rowId: id };
    const opened = await vault.open((await system.issuerKeys.sealed(id)) ?? '', place);
    keep(berth, 'private key of the issuer', (JSON.parse(opened) as { d: string }).d);
  }
}

/** What of a token is random: not its kind, and of a signed one the signature. */
function keep(berth: CanaryBerth, name: string, text: string): void {
  const random = text.startsWith('eyJ')
    ? text.split('.')[2]
    : text.replace(/^(sk-ant-\w+-|rt_|deviceauth_)/, '');
  berth.canaries.push(new Canary(name, '', random));
}

function sql(berth: CanaryBerth, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(berth.app.database.ownerUrl, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    return rows;
  });
}
