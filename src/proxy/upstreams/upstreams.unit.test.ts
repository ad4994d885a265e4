import { Secret } from '../../kernel/index.js';
import type { LeaseSecret } from '../../contracts/proxy.js';
import type { HeaderList } from '../headers.js';
import type { Place, UpstreamAdapter } from './adapter.js';
import { upstreams } from './index.js';

const { anthropic, bedrock, openai } = upstreams;

function applied(
  adapter: UpstreamAdapter,
  kind: LeaseSecret['kind'],
  headers: HeaderList,
  accountId: string | null = null,
): HeaderList {
  const result = [...headers];
  adapter.applyCredential(result, { kind, secret: new Secret('real'), accountId, aws: null, git: null });
  return result;
}

describe('credentials on requests', () => {
  const BETA = 'oauth-2025-04-20';

  it.each<[LeaseSecret['kind'], HeaderList, HeaderList]>([
    ['anthropic_api_key', [], ['x-api-key', 'real']],
    ['anthropic_api_key', ['anthropic-beta', `a,${BETA},b`], ['anthropic-beta', 'a,b', 'x-api-key', 'real']],
    ['anthropic_api_key', ['Anthropic-Beta', BETA], ['x-api-key', 'real']],
    ['claude_setup_token', [], ['anthropic-beta', BETA, 'authorization', 'Bearer real']],
    [
      'claude_setup_token',
      ['anthropic-beta', 'a'],
      ['anthropic-beta', `a,${BETA}`, 'authorization', 'Bearer real'],
    ],
    [
      'claude_setup_token',
      ['anthropic-beta', BETA],
      ['anthropic-beta', BETA, 'authorization', 'Bearer real'],
    ],
    [
      'claude_oauth',
      ['anthropic-beta', 'a'],
      ['anthropic-beta', `a,${BETA}`, 'authorization', 'Bearer real'],
    ],
    ['anthropic_wif', [], ['anthropic-beta', BETA, 'authorization', 'Bearer real']],
  ])('of Anthropic: %s on %j', (kind, headers, expected) => {
    expect(applied(anthropic, kind, headers)).toEqual(expected);
  });

  it('of OpenAI', () => {
    expect(applied(openai, 'openai_api_key', ['originator', 'x'])).toEqual([
      'originator',
      'x',
      'authorization',
      'Bearer real',
    ]);
  });

  it('of ChatGPT: the account beside the token, and never one that the agent names', () => {
    const sent = ['Chatgpt-Account-Id', 'of the agent', 'originator', 'x', 'chatgpt-account-id', 'again'];
    expect(applied(openai, 'openai_oauth', sent, 'acc')).toEqual([
      ...['originator', 'x', 'chatgpt-account-id', 'acc', 'authorization', 'Bearer real'],
    ]);
    expect(applied(openai, 'openai_api_key', sent)).toEqual([
      'originator',
      'x',
      'authorization',
      'Bearer real',
    ]);
  });

  it.each<[UpstreamAdapter, LeaseSecret['kind'], string, Place | null]>([
    [anthropic, 'claude_oauth', '/v1/messages', { target: 'anthropic', path: '/v1/messages' }],
    [openai, 'openai_api_key', '/v1/responses', { target: 'openai', path: '/v1/responses' }],
    [openai, 'openai_api_key', '/v1/models', { target: 'openai', path: '/v1/models' }],
    [openai, 'openai_oauth', '/v1/responses', { target: 'chatgpt', path: '/codex/responses' }],
    [openai, 'openai_oauth', '/v1/chat/completions', null],
    [openai, 'openai_oauth', '/v1/models', null],
  ])('%# have a place where they go: %2$s of %1$s', (adapter, kind, path, expected) => {
    expect(adapter.place(kind, path)).toEqual(expected);
  });

  it('belong to one upstream each', () => {
    expect([...anthropic.kinds].filter((kind) => openai.kinds.has(kind))).toEqual([]);
  });
});

describe('usage', () => {
  const unknown = {
    model: null,
    inputTokens: null,
    outputTokens: null,
    cacheReadTokens: null,
    cacheWriteTokens: null,
  };

  it('of an Anthropic stream: the last totals count', () => {
    const reader = anthropic.newUsageReader();
    reader.event(
      'message_start',
      '{"message":{"model":"m","usage":{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":0}}}',
    );
    expect(reader.usage()).toEqual({ ...unknown, model: 'm', inputTokens: 5, cacheReadTokens: 0 });
    reader.event('content_block_delta', '{"usage":{"output_tokens":99}}');
    reader.event('message_delta', '{"usage":{"output_tokens":7}}');
    reader.event(
      'message_delta',
      '{"usage":{"output_tokens":9,"input_tokens":6,"cache_creation_input_tokens":3}}',
    );
    expect(reader.usage()).toEqual({
      model: 'm',
      inputTokens: 6,
      outputTokens: 9,
      cacheReadTokens: 0,
      cacheWriteTokens: 3,
    });
  });

  it('of an OpenAI response: cached input is counted once', () => {
    const reader = openai.newUsageReader();
    reader.event('response.created', '{"response":{"model":"g","usage":null}}');
    reader.event(
      'response.completed',
      '{"response":{"model":"g-1","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":60},"output_tokens":5}}}',
    );
    expect(reader.usage()).toEqual({
      model: 'g-1',
      inputTokens: 40,
      outputTokens: 5,
      cacheReadTokens: 60,
      cacheWriteTokens: null,
    });
  });

  it('of an OpenAI chat stream', () => {
    const reader = openai.newUsageReader();
    reader.event('message', '{"model":"g","usage":null,"choices":[{"delta":{"content":"\\"usage\\":{"}}]}');
    expect(reader.usage()).toEqual({ ...unknown, model: 'g' });
    reader.event('message', '{"choices":[],"usage": {"prompt_tokens":4,"completion_tokens":2}}');
    reader.event('message', '[DONE]');
    expect(reader.usage()).toEqual({ ...unknown, model: 'g', inputTokens: 4, outputTokens: 2 });
  });

  it('of whole answers', () => {
    const chat = openai.newUsageReader();
    chat.json({ object: 'chat.completion', model: 'g', usage: { prompt_tokens: 4, completion_tokens: 2 } });
    expect(chat.usage()).toMatchObject({
      model: 'g',
      inputTokens: 4,
      outputTokens: 2,
      cacheReadTokens: null,
    });
    const response = openai.newUsageReader();
    response.json({ object: 'response', model: 'g', usage: { input_tokens: 4, output_tokens: 2 } });
    expect(response.usage()).toMatchObject({ model: 'g', inputTokens: 4, outputTokens: 2 });
    const message = anthropic.newUsageReader();
    message.json({ model: 'm', usage: { input_tokens: 1, output_tokens: 2 } });
    expect(message.usage()).toMatchObject({ model: 'm', inputTokens: 1, outputTokens: 2 });
  });

  it.each([
    'null',
    '[]',
    '"x"',
    'not json',
    '{"message":3}',
    '{"message":{"usage":{"input_tokens":-1}}}',
    '{"usage":{"output_tokens":"7"}}',
    '{"response":{"usage":{"input_tokens":1.5}}}',
  ])('stays unknown after %s', (data) => {
    for (const adapter of [anthropic, openai]) {
      const reader = adapter.newUsageReader();
      for (const name of ['message_start', 'message_delta', 'message', 'response.completed'])
        reader.event(name, data);
      expect(reader.usage()).toEqual(unknown);
    }
  });
});

const said = (type: string, message = '', code?: string): unknown => ({ error: { type, message, code } });
const REVOKED = 'OAuth token has been revoked. Please obtain a new token.';

describe('a refusal', () => {
  it.each<[UpstreamAdapter, number, unknown, boolean]>([
    [anthropic, 401, null, true],
    [anthropic, 401, said('authentication_error', 'OAuth token has expired.'), true],
    [anthropic, 401, said('permission_error', 'whatever'), true],
    [anthropic, 403, said('permission_error', REVOKED), true],
    [anthropic, 403, said('permission_error', 'This API key was revoked by an administrator.'), true],
    [anthropic, 403, said('authentication_error'), true],
    [
      anthropic,
      403,
      said('permission_error', 'OAuth token does not meet scope requirement user:profile'),
      false,
    ],
    [
      anthropic,
      403,
      said('permission_error', 'OAuth authentication is not allowed for this organization.'),
      false,
    ],
    [
      anthropic,
      403,
      said('permission_error', 'Access of your organization was revoked. Ask for a token.'),
      false,
    ],
    [anthropic, 403, said('invalid_request_error', REVOKED), false],
    [anthropic, 403, null, false],
    [anthropic, 403, { error: { type: 'permission_error', message: [REVOKED] } }, false],
    [anthropic, 200, said('authentication_error'), true],
    [anthropic, 200, said('overloaded_error'), false],
    [openai, 401, null, true],
    [openai, 401, { detail: 'Unauthorized' }, true],
    [openai, 401, said('invalid_request_error', 'Incorrect API key provided', 'invalid_api_key'), true],
    [openai, 401, said('x', 'You have insufficient permissions. Missing scopes: api.responses.write'), false],
    [openai, 401, { detail: 'Missing scopes: api.responses.write' }, false],
    [openai, 401, said('x', 'Missing scopes: a', 'token_expired'), true],
    [openai, 403, said('x', '', 'token_revoked'), true],
    [openai, 403, said('x', '', 'unsupported_country_region_territory'), false],
    [openai, 403, null, false],
    [openai, 200, said('x', '', 'token_expired'), true],
    [openai, 200, said('x', '', 'server_error'), false],
  ])('%# is of the credential, or of the call', (adapter, status, body, expected) => {
    expect(adapter.refuses(status, body, [])).toBe(expected);
  });

  it.each<[UpstreamAdapter, string, string, unknown]>([
    [anthropic, 'error', '{"type":"error","error":{"type":"x"}}', { type: 'error', error: { type: 'x' } }],
    [anthropic, 'ping', '{"error":{"type":"x"}}', null],
    [anthropic, 'error', 'garbage', null],
    [openai, 'error', '{"type":"error","code":"c"}', { error: { type: 'error', code: 'c' } }],
    [openai, 'error', '{"error":{"code":"c"}}', { error: { code: 'c' } }],
    [openai, 'response.failed', '{"response":{"error":{"code":"c"}}}', { error: { code: 'c' } }],
    [openai, 'response.completed', '{"response":{"error":null}}', null],
  ])('%# that comes in a stream is found', (adapter, name, data, expected) => {
    const reader = adapter.newUsageReader();
    reader.event(name, data);
    expect(reader.failure()).toEqual(expected);
  });
});

describe('the end of a quota', () => {
  const NOW = new Date('2026-11-25T12:00:00Z');
  const epoch = NOW.getTime() / 1000;
  const unified = (fields: Record<string, string | number>): HeaderList =>
    Object.entries(fields).flatMap(([name, value]) => [`anthropic-ratelimit-unified-${name}`, String(value)]);
  const spent = { error: { type: 'usage_limit_reached' } };

  it.each<[UpstreamAdapter, HeaderList, unknown, number | null]>([
    [anthropic, unified({ status: 'rejected', reset: epoch + 60 }), null, 60],
    [anthropic, [...unified({ status: 'rejected' }), 'retry-after', '90'], null, 90],
    [anthropic, unified({ status: 'rejected', '5h-status': 'rejected', '5h-reset': epoch + 70 }), null, 70],
    [anthropic, unified({ status: 'rejected', '5h-status': 'allowed', '5h-reset': epoch + 70 }), null, null],
    [anthropic, unified({ status: 'rejected', '7d-status': 'rejected', '7d-reset': epoch + 80 }), null, 80],
    [anthropic, unified({ status: 'allowed', reset: epoch + 60 }), null, null],
    [anthropic, ['retry-after', '7'], said('rate_limit_error'), null],
    [anthropic, unified({ status: 'rejected', reset: epoch - 1 }), null, null],
    [anthropic, unified({ status: 'rejected', reset: 'soon' }), null, null],
    [anthropic, unified({ status: 'rejected', reset: epoch * 1000 }), null, null],
    [openai, [], { error: { ...spent.error, resets_in_seconds: 60 } }, 60],
    [openai, [], { error: { ...spent.error, resets_at: epoch + 70 } }, 70],
    [openai, [], { error: { ...spent.error, resets_in_seconds: null, resets_at: epoch + 70 } }, 70],
    [openai, ['retry-after', '80'], spent, 80],
    [openai, [], spent, null],
    [openai, [], { error: { ...spent.error, resets_in_seconds: -5, resets_at: 'x' } }, null],
    [openai, ['retry-after', '80'], said('insufficient_quota'), null],
    [openai, ['retry-after', '80'], null, null],
  ])('%# is told, or is not', (adapter, headers, body, seconds) => {
    const expected = seconds === null ? null : new Date(NOW.getTime() + seconds * 1000);
    expect(adapter.limitedUntil({ headers, body }, NOW)).toEqual(expected);
  });
});

describe('errors', () => {
  it.each<[UpstreamAdapter, unknown, string | null]>([
    [anthropic, { error: { type: 'authentication_error', message: 'x' } }, 'authentication_error'],
    [openai, { error: { code: 'invalid_api_key', type: 'invalid_request_error' } }, 'invalid_api_key'],
    [openai, { error: { code: null, type: 'invalid_request_error' } }, 'invalid_request_error'],
    [anthropic, { error: { type: 'sk-ant-api03-abcdef' } }, null],
    [openai, { error: { code: 'Incorrect key sk-abc' } }, null],
    [anthropic, { error: { type: 'a'.repeat(101) } }, null],
    [anthropic, null, null],
    [openai, { detail: 'Unauthorized' }, null],
  ])('%# have a type that is a word, or none', (adapter, body, expected) => {
    expect(adapter.errorType(body, [])).toBe(expected);
  });

  it.each([400, 401, 403, 404, 413, 426, 500, 502, 503])(
    'are told in the provider’s own shape: %i',
    (status) => {
      const refusal = { status, message: 'Do this next.' };
      expect(JSON.parse(anthropic.formatRefusal(refusal, 'id').body)).toEqual({
        type: 'error',
        error: { type: expect.stringMatching(/^[a-z_]+$/) as string, message: 'Do this next.' },
        request_id: 'berth_id',
      });
      const { error } = JSON.parse(openai.formatRefusal(refusal, 'id').body) as {
        error: Record<string, unknown>;
      };
      expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
      expect(error.type).toBe(status >= 500 ? 'server_error' : 'invalid_request_error');
    },
  );
});

describe('Bedrock itself', () => {
  const { operations } = bedrock;
  const allowed = (path: string): boolean =>
    operations.some((each) => each.path instanceof RegExp && each.path.test(path));

  it.each([
    ['/model/us.anthropic.claude-sonnet-4-6/invoke', true],
    ['/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke-with-response-stream', true],
    ['/model/anthropic.claude-haiku-4-5-20251001-v1:0/count-tokens', true],
    ['/model/us-gov.anthropic.claude-sonnet-4-6/invoke', true],
    ['/model/amazon.nova-pro-v1%3A0/invoke', false],
    ['/model/us.anthropic.claude-x/converse', false],
    ['/model/us.anthropic.claude-x/invoke/', false],
    ['/x/model/us.anthropic.claude-x/invoke', false],
    ['/model/us.anthropic.claude-x/y/invoke', false],
    ['/inference-profiles', false],
  ])('%s is an operation: %j', (path, expected) => expect(allowed(path)).toBe(expected));

  it.each<[string | undefined, string, boolean, string | null]>([
    ['ExpiredTokenException:http://x', '', true, 'expired_token_exception'],
    ['InvalidSignatureException', 'does not match', true, 'invalid_signature_exception'],
    ['InvalidSignatureException', 'Signature expired: …', false, 'invalid_signature_exception'],
    ['AccessDeniedException', 'is not authorized', false, 'access_denied_exception'],
    ['sk-ant-api03-abc', '', false, null],
    [undefined, '', false, null],
  ])('says of %s %j whether the key is refused, and a word', (code, message, refused, word) => {
    const headers = code === undefined ? [] : ['x-amzn-ErrorType', code];
    expect(bedrock.refuses(403, { message }, headers)).toBe(refused);
    expect(bedrock.errorType({ message }, headers)).toBe(word);
  });

  it('refuses in AWS’s shape', () => {
    for (const [status, code] of [
      [401, 'UnrecognizedClientException'],
      [404, 'ResourceNotFoundException'],
      [426, 'ValidationException'],
      [503, 'ServiceUnavailableException'],
    ] as const) {
      const { body } = bedrock.formatRefusal({ status, message: 'Do this next.' }, 'id');
      expect(JSON.parse(body)).toEqual({ __type: code, message: 'Do this next.' });
    }
  });
});
