import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../../test/emulators/anthropic.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../../../test/emulators/openai.js';
import type { FailureRule } from '../../../test/emulators/failures.js';
import { until } from '../../../test/emulators/until.js';
import { loginEndpoints } from '../../../test/support/app.js';
import { systemClock } from '../../kernel/index.js';
import { ChatgptLogins } from './chatgpt.js';
import { ClaudeLogins } from './claude.js';
import { POST_LIMITS, type PostLimits } from '../../oauth/index.js';

const TOKEN_PATH = { claude: '/v1/oauth/token', chatgpt: '/oauth/token' };
const VERIFIER = 'v'.repeat(43);

let anthropic: AnthropicEmulator;
let openai: OpenaiEmulator;
beforeAll(async () => {
  [anthropic, openai] = await Promise.all([startAnthropicEmulator(), startOpenaiEmulator()]);
});
afterEach(() => {
  anthropic.reset();
  openai.reset();
});
afterAll(() => Promise.all([anthropic.close(), openai.close()]));

const claude = (limits?: PostLimits, url = anthropic.url) =>
  new ClaudeLogins(loginEndpoints({ claude: url }).claude, systemClock, limits);
const chatgpt = (limits?: PostLimits) =>
  new ChatgptLogins(loginEndpoints({ openai: openai.url }).openai, systemClock, limits);
const quick = (seconds: number): PostLimits => ({ ...POST_LIMITS, deadlineSeconds: seconds });

const request = (secret: Record<string, string>) => ({
  organizationId: 'o',
  workspaceId: null,
  secret,
  settings: {},
});

/** A pair of one provider's, and how it is renewed. */
function loginAt(name: 'claude' | 'chatgpt', limits?: PostLimits) {
  const emulator = name === 'claude' ? anthropic : openai;
  const source = name === 'claude' ? claude(limits) : chatgpt(limits);
  const { accessToken, refreshToken, account, lineage } = emulator.logins.issue();
  const fail = (rule: FailureRule): void => emulator.fail({ match: { path: TOKEN_PATH[name] }, ...rule });
  const renew = (refresh = refreshToken) =>
    source.renew(request({ accessToken, refreshToken: refresh, accountId: account.id }));
  return { emulator, accessToken, refreshToken, account, lineage, fail, renew };
}

describe.each(['claude', 'chatgpt'] as const)('a login of %s', (name) => {
  it('is renewed: the old tokens are spent, the new ones serve', async () => {
    const { emulator, accessToken, refreshToken, account, renew } = loginAt(name);
    const renewal = await renew();
    if (renewal.outcome !== 'renewed') throw new Error(JSON.stringify(renewal));
    const { secret, expiresAt, hint, account: said } = renewal.renewed;
    expect(secret.refreshToken).not.toBe(refreshToken);
    expect(emulator.logins.book.stateOf(accessToken)?.state).toBe('rotated');
    expect(emulator.logins.book.stateOf(secret.accessToken ?? '')?.state).toBe('living');
    const life = ((expiresAt?.getTime() ?? 0) - Date.now()) / 1000;
    expect(life / emulator.logins.settings.accessSeconds).toBeCloseTo(1, 2);
    expect(hint).toContain(secret.accessToken?.slice(-4));
    expect(said?.email).toBe(account.email);
    if (name === 'chatgpt') expect([secret.accountId, said?.plan]).toEqual([account.id, 'max']);
  });

  it('is ended by its own refresh token, used again', async () => {
    const { emulator, renew } = loginAt(name);
    const first = await renew();
    expect(await renew()).toMatchObject({ outcome: 'rejected' });
    if (first.outcome !== 'renewed') throw new Error('not renewed');
    expect(await renew(first.renewed.secret.refreshToken)).toMatchObject({ outcome: 'rejected' });
    expect(emulator.logins.count('reused')).toBe(1);
  });

  it('keeps the refresh token when the answer brings none', async () => {
    const { refreshToken, fail, renew } = loginAt(name);
    fail({ mode: 'no-refresh-token' });
    expect(await renew()).toMatchObject({ outcome: 'renewed', renewed: { secret: { refreshToken } } });
    expect(await renew()).toMatchObject({ outcome: 'renewed' });
  });

  it.each<[FailureRule, string]>([
    [{ status: 429, headers: { 'retry-after': '0' } }, 'failed'],
    [{ status: 500 }, 'failed'],
    [{ status: 400, body: {} }, 'failed'],
    [{ mode: 'html', status: 403 }, 'failed'],
    [{ mode: 'redirect' }, 'failed'],
    [{ mode: 'cut-before-head' }, 'unknown'],
    [{ mode: 'lost-answer' }, 'unknown'],
    [{ mode: 'cut-mid-stream' }, 'unknown'],
    [{ mode: 'garbage' }, 'unknown'],
    [{ mode: 'huge' }, 'unknown'],
  ])('that meets %j is %s', async (rule, outcome) => {
    const { emulator, refreshToken, fail, renew } = loginAt(name);
    fail(rule);
    const renewal = await renew();
    expect(renewal).toMatchObject({ outcome });
    expect(JSON.stringify(renewal)).not.toContain(refreshToken);
    if (rule.status === 429) expect(renewal).toMatchObject({ retryAfterSeconds: 5 });
    // Once, wherever the redirect points, and whatever was lost.
    expect(emulator.requests).toHaveLength(1);
    // What failed was not carried out: the same token serves.
    if (outcome === 'failed') expect(await renew()).toMatchObject({ outcome: 'renewed' });
  });

  it('waits for a slow answer, and counts one that never comes as lost', async () => {
    const slow = loginAt(name);
    slow.fail({ mode: 'hold-after' });
    const renewal = slow.renew();
    await until('held', () => slow.emulator.logins.held === 1);
    slow.emulator.logins.release();
    expect(await renewal).toMatchObject({ outcome: 'renewed' });
    const never = loginAt(name, quick(0.2));
    never.fail({ mode: 'hang' });
    expect(await never.renew()).toMatchObject({ outcome: 'unknown' });
  });
});

describe('a token endpoint that is not there', () => {
  it('is known not to have been asked', async () => {
    expect(await claude(undefined, 'http://127.0.0.1:9').renew(request({ refreshToken: 'r' }))).toEqual({
      outcome: 'failed',
      reason: 'Claude could not be reached (127.0.0.1:9: ECONNREFUSED)',
      retryAfterSeconds: null,
    });
  });

  it('nor one with which no TLS comes about', async () => {
    // Speaks plain HTTP where a TLS handshake is expected.
    const server = createServer((_, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const renewal = await claude(undefined, `https://127.0.0.1:${port}`).renew(
        request({ refreshToken: 'r' }),
      );
      expect(renewal).toMatchObject({ outcome: 'failed' });
    } finally {
      server.close();
    }
  });
});

describe('connecting Claude', () => {
  const agree = (verifier = VERIFIER, state = 'state-1') =>
    anthropic.logins.codeFor(claude().authorizationUrl(verifier, state)).split('#') as [string, string];

  it('exchanges the code of the page, with the verifier behind the link', async () => {
    const [code, state] = agree();
    const grant = await claude().exchange(code, state, VERIFIER);
    if (grant.outcome !== 'granted') throw new Error(JSON.stringify(grant));
    const { secret, settings } = grant.value;
    expect(anthropic.logins.book.stateOf(secret.accessToken ?? '')?.state).toBe('living');
    expect(secret.refreshToken).toMatch(/^sk-ant-ort01-/);
    expect(settings.account).toEqual({ email: 'ada@example.com', plan: null });
  });

  it('is refused with another verifier, another state, or a code that served', async () => {
    const [code, state] = agree();
    expect(await claude().exchange(code, state, 'w'.repeat(43))).toMatchObject({ outcome: 'rejected' });
    expect(await claude().exchange(code, state, VERIFIER)).toMatchObject({ outcome: 'rejected' });
    const [other] = agree();
    expect(await claude().exchange(other, 'state-2', VERIFIER)).toMatchObject({ outcome: 'rejected' });
  });

  it('is refused without access to models, and without a refresh token', async () => {
    const narrow = new ClaudeLogins(
      { ...loginEndpoints({ claude: anthropic.url }).claude, scopes: 'user:profile' },
      systemClock,
    );
    const [code, state] = anthropic.logins.codeFor(narrow.authorizationUrl(VERIFIER, 's')).split('#');
    expect(await narrow.exchange(code ?? '', state ?? '', VERIFIER)).toMatchObject({
      outcome: 'rejected',
      reason: expect.stringContaining('user:inference') as string,
    });
    const [second] = agree();
    anthropic.fail({ mode: 'no-refresh-token', match: { grant: 'authorization_code' } });
    expect(await claude().exchange(second, 'state-1', VERIFIER)).toMatchObject({ outcome: 'rejected' });
  });
});

describe('connecting ChatGPT', () => {
  it('waits until the code was typed, and exchanges what came of it', async () => {
    const logins = chatgpt();
    const begun = await logins.begin();
    if (begun.outcome !== 'begun') throw new Error(JSON.stringify(begun));
    const { device } = begun;
    expect(device).toMatchObject({ intervalSeconds: 5, verificationUrl: `${openai.url}/codex/device` });
    expect(await logins.poll(device)).toEqual({ outcome: 'pending' });
    openai.logins.pendingStatus = 404;
    expect(await logins.poll(device)).toEqual({ outcome: 'pending' });
    expect(openai.logins.approve(device.userCode)).toBe(true);
    const polled = await logins.poll(device);
    if (polled.outcome !== 'approved') throw new Error(JSON.stringify(polled));
    expect(await logins.exchange(polled.code, 'another verifier')).toMatchObject({ outcome: 'rejected' });
    const grant = await logins.exchange(polled.code, polled.verifier);
    if (grant.outcome !== 'granted') throw new Error(JSON.stringify(grant));
    expect(openai.logins.book.stateOf(grant.value.secret.accessToken ?? '')).toMatchObject({
      state: 'living',
      account: { id: grant.value.secret.accountId },
    });
    expect(grant.value.settings.account).toEqual({ email: 'ada@example.com', plan: 'max' });
    expect(await logins.exchange(polled.code, polled.verifier)).toMatchObject({ outcome: 'rejected' });
  });

  it('tells an account without codes from an endpoint in trouble', async () => {
    openai.logins.isDeviceLoginOn = false;
    expect(await chatgpt().begin()).toEqual({ outcome: 'disabled' });
    openai.logins.isDeviceLoginOn = true;
    openai.fail({ status: 503, match: { grant: 'device' } });
    expect(await chatgpt().begin()).toMatchObject({ outcome: 'failed' });
  });
});
