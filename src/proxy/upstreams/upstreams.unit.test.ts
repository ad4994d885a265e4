import { Secret } from '../../kernel/index.js';
import type { LeaseSecret } from '../../contracts/proxy.js';
import type { HeaderList } from '../headers.js';
import type { UpstreamAdapter } from './adapter.js';
import { upstreams } from './index.js';

const { anthropic, openai } = upstreams;

function applied(adapter: UpstreamAdapter, kind: LeaseSecret['kind'], headers: HeaderList): HeaderList {
  const result = [...headers];
  adapter.applyCredential(result, { kind, secret: new Secret('real'), accountId: null });
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
    expect(adapter.errorType(body)).toBe(expected);
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
