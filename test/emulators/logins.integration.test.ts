import { startAnthropicEmulator, type AnthropicEmulator } from './anthropic.js';
import type { IssuedPair } from './login-book.js';
import { startOpenaiEmulator, type OpenaiEmulator } from './openai.js';

/** Which tokens the emulated models take, and how their logins are steered. The token endpoints themselves: src/credentials/providers. */

let anthropic: AnthropicEmulator;
let openai: OpenaiEmulator;
let now = new Date('2026-11-25T12:00:00Z');
const clock = { now: () => now };
beforeAll(async () => {
  [anthropic, openai] = await Promise.all([
    startAnthropicEmulator({ clock }),
    startOpenaiEmulator({ clock }),
  ]);
});
afterAll(() => Promise.all([anthropic.close(), openai.close()]));

const claudeCall = (token: string): Promise<Response> =>
  fetch(`${anthropic.url}/v1/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'oauth-2025-04-20',
    },
    body: JSON.stringify({
      model: 'claude-haiku-4-5',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hi' }],
    }),
  });
const codexCall = (
  token: string,
  account: string,
  path = '/backend-api/codex/responses',
): Promise<Response> =>
  fetch(openai.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'chatgpt-account-id': account },
    body: JSON.stringify({ model: 'gpt-6-luna', store: false, input: 'Hi' }),
  });

async function refresh(url: string, path: string, { refreshToken }: IssuedPair): Promise<Response> {
  const body = { client_id: 'any', grant_type: 'refresh_token', refresh_token: refreshToken };
  return fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
}
const control = (url: string, call: string, body: object = {}): Promise<Response> =>
  fetch(`${url}/_control/${call}`, { method: 'POST', body: JSON.stringify(body) });

describe('the model of Claude takes', () => {
  const refusal = async (token: string): Promise<[number, string]> => {
    const answer = await claudeCall(token);
    const { error } = (await answer.json()) as { error?: { message: string } };
    return [answer.status, error?.message ?? ''];
  };

  it('a living token, until it is refreshed away, revoked, run out, or its login ended', async () => {
    const pair = anthropic.logins.issue();
    expect((await claudeCall(pair.accessToken)).status).toBe(200);
    expect((await refresh(anthropic.url, '/v1/oauth/token', pair)).status).toBe(200);
    expect(await refusal(pair.accessToken)).toEqual([401, 'Invalid authentication credentials']);

    const revoked = anthropic.logins.issue();
    anthropic.revoke(revoked.accessToken);
    expect(await refusal(revoked.accessToken)).toEqual([
      403,
      'OAuth token has been revoked. Please obtain a new token.',
    ]);
    expect((await refresh(anthropic.url, '/v1/oauth/token', revoked)).status).toBe(200);

    const old = anthropic.logins.issue();
    now = new Date(now.getTime() + 28_800_000);
    expect(await refusal(old.accessToken)).toEqual([
      401,
      'OAuth access token has expired. Re-authenticate to continue.',
    ]);
    now = new Date(now.getTime() + 30 * 24 * 3_600_000);
    const over = await refresh(anthropic.url, '/v1/oauth/token', old);
    expect([over.status, await over.json()]).toEqual([
      400,
      { error: 'invalid_grant', error_description: 'Refresh token not found or invalid' },
    ]);
  });
});

describe('the backend of ChatGPT takes', () => {
  it('a living token that names its account, and the API none of them', async () => {
    const { accessToken, account } = openai.logins.issue();
    expect((await codexCall(accessToken, account.id)).status).toBe(200);
    expect((await codexCall(accessToken, 'another')).status).toBe(403);
    expect((await codexCall('sk-a-key', account.id)).status).toBe(401);
    const api = await codexCall(accessToken, account.id, '/v1/responses');
    expect([api.status, await api.text()]).toEqual([401, expect.stringContaining('Missing scopes')]);
    openai.logins.book.end();
    const answer = await codexCall(accessToken, account.id);
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: { code: 'token_revoked' } }]);
  });
});

describe('a grace window', () => {
  it('answers a used refresh token with the same pair, and ends with its time', async () => {
    const pair = anthropic.logins.issue();
    anthropic.logins.configure({ graceSeconds: 60 });
    const first: unknown = await (await refresh(anthropic.url, '/v1/oauth/token', pair)).json();
    expect(await (await refresh(anthropic.url, '/v1/oauth/token', pair)).json()).toEqual(first);
    now = new Date(now.getTime() + 60_000);
    expect((await refresh(anthropic.url, '/v1/oauth/token', pair)).status).toBe(400);
    anthropic.logins.configure({ graceSeconds: 0 });
  });
});

describe('the control address', () => {
  it('gives pairs, shortens their lives, revokes, ends and counts', async () => {
    await control(openai.url, 'reset');
    await control(openai.url, 'logins/configure', { accessSeconds: 60 });
    const issued = await control(openai.url, 'logins/issue');
    const pair = (await issued.json()) as IssuedPair;
    expect(new Date(pair.expiresAt).getTime() - now.getTime()).toBe(60_000);
    await control(openai.url, 'logins/revoke', { lineage: pair.lineage });
    expect((await codexCall(pair.accessToken, pair.account.id)).status).toBe(401);
    expect((await refresh(openai.url, '/oauth/token', pair)).status).toBe(200);
    await control(openai.url, 'logins/end', { lineage: pair.lineage });
    expect((await refresh(openai.url, '/oauth/token', pair)).status).toBe(401);
    const listed = (await (await fetch(`${openai.url}/_control/logins`)).json()) as {
      calls: object[];
      lineages: object[];
    };
    expect(listed.calls).toMatchObject([
      { grant: 'refresh_token', lineage: pair.lineage, outcome: 'renewed', isDelivered: true },
      { grant: 'refresh_token', lineage: pair.lineage, outcome: 'reused' },
    ]);
    expect(listed.lineages.at(-1)).toEqual({ id: pair.lineage, generation: 2, isEnded: true, living: 0 });
    expect((await control(openai.url, 'logins/configure', { accessSeconds: -1 })).status).toBe(400);
  });

  it('shows the code of Claude to whoever opens the link', async () => {
    const query = new URLSearchParams({
      code: 'true',
      client_id: 'c',
      response_type: 'code',
      redirect_uri: `${anthropic.url}/oauth/code/callback`,
      scope: 'user:inference',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
      state: 'state-1',
    });
    const page = await fetch(`${anthropic.url}/oauth/authorize?${query.toString()}`);
    expect(await page.text()).toMatch(/<code>[\w-]+#state-1<\/code>/);
    query.delete('code_challenge');
    expect((await fetch(`${anthropic.url}/oauth/authorize?${query.toString()}`)).status).toBe(500);
  });
});
