import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../../test/emulators/anthropic.js';
import type { FederationRule } from '../../../test/emulators/federation.js';
import type { FailureRule } from '../../../test/emulators/failures.js';
import { federation, startTestApp, type TestApp } from '../../../test/support/app.js';
import { systemClock } from '../../kernel/index.js';
import { Issuer } from '../index.js';
import type { CredentialSettings, Federation } from '../kinds.js';
import { FederationSettings } from './federation.js';
import { FederatedTokens, type Asserts } from './wif.js';

const organizationId = '019aa000-0000-7000-8000-00000000000a';
const workspaceId = '019aa000-0000-7000-8000-00000000000b';
const subject = (organization: string): string => `berth:organization:${organization}:workspace:`;
const asked: Federation = {
  ruleId: 'fdrl_01Acme',
  organizationId: '00000000-0000-4000-8000-000000000001',
  serviceAccountId: 'svac_01Acme',
  workspaceId: null,
  identity: 'berth',
};

let berth: TestApp;
let anthropic: AnthropicEmulator;
let rule: FederationRule;
beforeAll(async () => {
  anthropic = await startAnthropicEmulator();
  berth = await startTestApp();
  rule = {
    id: asked.ruleId,
    organizationId: asked.organizationId,
    serviceAccountId: asked.serviceAccountId,
    issuer: berth.url,
    jwks: { url: `${berth.url}/.well-known/jwks.json` },
    subjectPrefix: `${subject(organizationId)}*`,
    audience: 'https://api.anthropic.com',
    workspaces: ['wrkspc_01Acme'],
    tokenSeconds: 3600,
  };
});
beforeEach(() => {
  anthropic.reset();
  anthropic.logins.federation.set(rule);
});
afterAll(() => Promise.all([berth.close(), anthropic.close()]));

const renew = (
  more: Partial<Federation> = {},
  settings: FederationSettings = federation(anthropic.url),
  issuer: Asserts = berth.app.get(Issuer, { strict: false }),
) =>
  new FederatedTokens(settings, issuer, systemClock, {
    deadlineSeconds: 1,
    connectSeconds: 1,
    maxBytes: 65_536,
  }).renew({
    organizationId,
    workspaceId,
    secret: {},
    settings: { federation: { ...asked, ...more } } satisfies CredentialSettings,
  });
const denials = () => anthropic.logins.federation.exchanges.map(({ denied }) => denied);

describe('workload identity with Berth as issuer', () => {
  it('brings a token for one workspace, which lives no longer than the assertion allows', async () => {
    const renewal = await renew();
    if (renewal.outcome !== 'renewed') throw new Error(JSON.stringify(renewal));
    const { secret, hint, expiresAt } = renewal.renewed;
    expect(Object.keys(secret)).toEqual(['token']);
    expect(hint).toContain(secret.token?.slice(-4));
    expect(anthropic.logins.federation.stateOf(secret.token ?? '')).toEqual({
      state: 'living',
      rule: 'fdrl_01Acme',
      subject: subject(organizationId) + workspaceId,
    });
    // Twice what is left of the assertion, and not the hour of the rule.
    const life = ((expiresAt?.getTime() ?? 0) - Date.now()) / 1000;
    expect(life).toBeGreaterThan(1060);
    expect(life).toBeLessThanOrEqual(1080);
    const sent = anthropic.requests.at(-1)?.headers;
    expect(sent?.['anthropic-beta']).toBe('oauth-2025-04-20,oidc-federation-2026-04-01');
    // An assertion is made for each call, and never sent twice.
    await renew();
    expect(anthropic.logins.federation.replays).toBe(0);
  });

  it('lives as long as the rule says, where that is shorter', async () => {
    anthropic.logins.federation.set({ ...rule, tokenSeconds: 60 });
    const renewal = await renew();
    if (renewal.outcome !== 'renewed') throw new Error(JSON.stringify(renewal));
    expect(((renewal.renewed.expiresAt?.getTime() ?? 0) - Date.now()) / 1000).toBeLessThanOrEqual(60);
  });

  it.each<[string, Partial<FederationRule>, Partial<Federation>, string]>([
    ['another issuer', { issuer: 'https://other.example' }, {}, 'match_issuer'],
    ['another audience', { audience: 'https://other.example' }, {}, 'match_audience'],
    [
      'an organization that looks alike',
      { subjectPrefix: `${subject('019aa000-0000-7000-8000-00000000000c')}*` },
      {},
      'match_subject_prefix',
    ],
    [
      'one workspace alone, which is not this one',
      { subjectPrefix: subject(organizationId) },
      {},
      'match_subject_prefix',
    ],
    [
      'another organization at Anthropic',
      {},
      { organizationId: '00000000-0000-4000-8000-000000000002' },
      'organization',
    ],
    ['another service account', {}, { serviceAccountId: 'svac_01Other' }, 'service_account'],
    ['a rule that is not there', {}, { ruleId: 'fdrl_01Other' }, 'unknown_rule'],
    [
      'several workspaces, and none named',
      { workspaces: ['wrkspc_1', 'wrkspc_2'] },
      {},
      'workspace_id_required',
    ],
    ['a workspace that the rule does not cover', {}, { workspaceId: 'wrkspc_2' }, 'workspace'],
    ['keys of somebody else', { jwks: { keys: [] } }, {}, 'signature'],
  ])('is denied with %s, and says where the reason stands', async (_, ruled, more, why) => {
    anthropic.logins.federation.set({ ...rule, ...ruled });
    const renewal = await renew(more);
    expect(renewal).toMatchObject({
      outcome: 'rejected',
      reason: expect.stringContaining('authentication history') as string,
    });
    expect(renewal).toMatchObject({ reason: expect.stringContaining(subject(organizationId)) as string });
    expect(denials()).toEqual([why]);
  });

  it('hands on what a malformed request was refused for, short and without what was sent', async () => {
    expect(await renew({ ruleId: 'rule' })).toEqual({
      outcome: 'rejected',
      reason: 'Anthropic did not understand the request (federation_rule_id must begin with fdrl_)',
    });
    const message = `bad assertion ${'e'.repeat(60)}.${'f'.repeat(60)}.${'g'.repeat(60)} of\nyou ${'far '.repeat(200)}`;
    const error = { type: 'invalid_request_error', message };
    anthropic.fail({ status: 400, body: { type: 'error', error }, match: { path: '/v1/oauth/token' } });
    const renewal = await renew();
    const { reason } = renewal as { reason: string };
    expect(renewal.outcome).toBe('rejected');
    expect(reason).toContain('bad assertion … of you far');
    expect(reason.length).toBeLessThan(300);
  });

  it.each<[string, FailureRule]>([
    ['429', { status: 429, headers: { 'retry-after': '0' } }],
    ['500', { status: 500 }],
    ['529', { status: 529 }],
    ['a 401 of somebody before Anthropic', { status: 401, body: { message: 'who are you' } }],
    ['a 403 of somebody before Anthropic', { status: 403, body: { message: 'no' } }],
    ['a 400 without a word', { status: 400, body: {} }],
    ['an answer that was lost after the token was made', { mode: 'lost-answer' }],
    ['half an answer', { mode: 'cut-mid-stream' }],
    ['garbage', { mode: 'garbage' }],
    ['10 MB', { mode: 'huge' }],
    ['no answer', { mode: 'hang' }],
  ])('may be asked again after %s', async (_, failure) => {
    anthropic.fail({ ...failure, match: { path: '/v1/oauth/token' } });
    expect(await renew()).toMatchObject({ outcome: 'failed' });
    expect(await renew()).toMatchObject({ outcome: 'renewed' });
    expect(anthropic.logins.federation.replays).toBe(0);
  });

  it('follows no redirect, and says when nobody is there', async () => {
    const server = createServer((_, response) => response.writeHead(302, { location: anthropic.url }).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      expect(await renew({}, federation(`http://127.0.0.1:${port}`))).toMatchObject({
        outcome: 'failed',
        reason: expect.stringContaining('302') as string,
      });
    } finally {
      server.close();
    }
    expect(await renew({}, federation())).toMatchObject({ outcome: 'failed' });
    expect(anthropic.requests).toEqual([]);
  });

  it('asks nobody where Berth cannot vouch', async () => {
    expect(await renew({ identity: 'kubernetes' })).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('without Kubernetes') as string,
    });
    const { publicUrl } = berth.parts;
    const unknown = Object.assign(Object.create(publicUrl) as typeof publicUrl, { isKnown: false });
    const { system, vault, world, log } = berth.parts;
    const issuer = new Issuer(system, vault, {} as never, unknown, federation(), world, log);
    expect(await renew({}, federation(anthropic.url), issuer)).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('BERTH_PUBLIC_URL') as string,
    });
    expect(anthropic.requests).toEqual([]);
  });
});
