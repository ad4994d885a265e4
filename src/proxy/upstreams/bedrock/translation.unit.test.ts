import { bedrockBetas } from './betas.js';
import { exceptionText, messagesError } from './errors.js';
import { bedrockModel, withoutGeography } from './models.js';
import { countRequest, messagesRequest } from './request.js';

const ARN = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123';

describe('a model', () => {
  it.each([
    ['claude-sonnet-4-6', 'us-east-1', 'us.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'eu-central-1', 'eu.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'ap-northeast-1', 'jp.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'ap-southeast-2', 'au.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'ap-south-1', 'global.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'sa-east-1', 'global.anthropic.claude-sonnet-4-6'],
    ['claude-sonnet-4-6', 'us-gov-west-1', 'us-gov.anthropic.claude-sonnet-4-6'],
    ['claude-haiku-4-5', 'us-west-2', 'us.anthropic.claude-haiku-4-5-20251001-v1:0'],
    ['claude-haiku-4-5-20251001', 'us-west-2', 'us.anthropic.claude-haiku-4-5-20251001-v1:0'],
    ['claude-sonnet-4-20250514', 'ap-south-1', 'apac.anthropic.claude-sonnet-4-20250514-v1:0'],
    ['claude-opus-4-6', 'eu-west-1', 'eu.anthropic.claude-opus-4-6-v1'],
    ['claude-sonnet-5', 'ap-northeast-1', 'global.anthropic.claude-sonnet-5'],
    // Not in the table: as newer ones are named.
    ['claude-opus-6', 'eu-west-1', 'eu.anthropic.claude-opus-6'],
    ['eu.anthropic.claude-sonnet-4-6', 'us-east-1', 'eu.anthropic.claude-sonnet-4-6'],
    ['us-gov.anthropic.claude-sonnet-4-6', 'us-east-1', 'us-gov.anthropic.claude-sonnet-4-6'],
    ['anthropic.claude-3-haiku-20240307-v1:0', 'us-east-1', 'anthropic.claude-3-haiku-20240307-v1:0'],
    [ARN, 'eu-west-1', ARN],
    ['mine', 'us-east-1', ARN],
    ['claude-opus-5', 'us-east-1', 'global.anthropic.claude-opus-5'],
  ])('%s in %s is %s', (name, region, id) => {
    const configured = { mine: ARN, 'claude-opus-5': 'global.anthropic.claude-opus-5' };
    expect(bedrockModel(name, region, configured)).toBe(id);
  });

  it.each([
    ['gpt-5', 'us-east-1', /not known at AWS Bedrock/],
    ['claude-../../x', 'us-east-1', /not known at AWS Bedrock/],
    ['toString', 'us-east-1', /not known at AWS Bedrock/],
    ['claude-opus-4-1', 'eu-west-1', /no inference profile of claude-opus-4-1 for eu-west-1/],
  ])('%s in %s is none', (name, region, message) => {
    expect(() => bedrockModel(name, region, {})).toThrow(message);
  });

  it.each([
    ['us.anthropic.claude-x', 'anthropic.claude-x'],
    ['us-gov.anthropic.claude-x', 'anthropic.claude-x'],
    ['anthropic.claude-x', 'anthropic.claude-x'],
    [ARN, ARN],
  ])('%s without its geography is %s', (id, expected) => expect(withoutGeography(id)).toBe(expected));
});

it('takes of the betas those that Bedrock knows, each once, by its own names', () => {
  const asked = [
    ...['claude-code-20250219', 'oauth-2025-04-20', 'advanced-tool-use-2025-11-20'],
    ...[
      'tool-search-tool-2025-10-19',
      'thinking-token-count-2026-05-13',
      'never-heard-2027-01-01',
      'toString',
    ],
  ];
  expect(bedrockBetas(asked)).toEqual(['claude-code-20250219', 'tool-search-tool-2025-10-19']);
});

describe('a request', () => {
  const asked = { region: 'us-east-1', models: {} };
  const message = {
    model: 'claude-haiku-4-5',
    max_tokens: 5,
    messages: [],
    metadata: { user_id: 'x' },
    new: 1,
  };
  const { model: _, ...rest } = message;
  const version = { anthropic_version: 'bedrock-2023-05-31' };
  const path = '/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0';
  const bodyOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const read = ({ body }: { body: Buffer }): unknown => JSON.parse(body.toString());

  it('has its model in the path, and all other fields as they are', () => {
    const told = messagesRequest([], bodyOf(message), asked);
    expect(told).toMatchObject({ path: `${path}/invoke`, accept: 'application/json' });
    expect(read(told)).toEqual({ ...rest, ...version });
  });

  it('streams by its path', () => {
    const told = messagesRequest([], bodyOf({ ...message, stream: true }), asked);
    expect(told).toMatchObject({
      path: `${path}/invoke-with-response-stream`,
      accept: 'application/vnd.amazon.eventstream',
    });
    expect(read(told)).toEqual({ ...rest, ...version });
    expect(messagesRequest([], bodyOf({ ...message, stream: false }), asked).path).toBe(`${path}/invoke`);
  });

  it('has the betas of its headers in the body', () => {
    const headers = [
      'Anthropic-Beta',
      'effort-2025-11-24, oauth-2025-04-20',
      'anthropic-beta',
      'context-1m-2025-08-07',
    ];
    const body = { ...message, anthropic_beta: ['claude-code-20250219', 'effort-2025-11-24'] };
    expect(read(messagesRequest(headers, bodyOf(body), asked))).toEqual({
      ...rest,
      ...version,
      anthropic_beta: ['claude-code-20250219', 'effort-2025-11-24', 'context-1m-2025-08-07'],
    });
    expect(read(messagesRequest(['anthropic-beta', 'oauth-2025-04-20'], bodyOf(message), asked))).toEqual({
      ...rest,
      ...version,
    });
  });

  it('for a count stands in another, under the model’s own id', () => {
    const told = countRequest([], bodyOf({ model: 'claude-haiku-4-5', messages: [] }), asked);
    expect(told.path).toBe('/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens');
    const { input } = read(told) as { input: { invokeModel: { body: string } } };
    expect(JSON.parse(Buffer.from(input.invokeModel.body, 'base64').toString())).toEqual({
      max_tokens: 1,
      messages: [],
      ...version,
    });
  });

  it.each([
    [null, /not a JSON object/],
    ['nonsense', /not a JSON object/],
    ['[1]', /not a JSON object/],
    ['{}', /model: Field required/],
    ['{"model":7}', /model: Field required/],
  ])('that is none, as %j, is refused', (text, message) => {
    for (const translate of [messagesRequest, countRequest]) {
      expect(() => translate([], text === null ? null : Buffer.from(text), asked)).toThrow(message);
    }
  });
});

describe('an error', () => {
  const SECRET = 'the-secret-of-the-key';
  const said = (message: string): Buffer => Buffer.from(JSON.stringify({ message }));
  const of = (status: number, code: string | undefined, message = 'as said'): unknown[] => {
    const error = messagesError(status, code, said(message), [SECRET]);
    return [error.status, error.type, error.message];
  };

  it.each([
    ['UnrecognizedClientException', 'unrecognized_client_exception'],
    ['InvalidClientTokenId', 'invalid_client_token_id'],
    ['InvalidSignatureException', 'invalid_signature_exception'],
    ['ExpiredTokenException:http://internal.amazon.com/coral/', 'expired_token_exception'],
    ['MissingAuthenticationTokenException', 'missing_authentication_token_exception'],
  ])('of the key, %s, refuses it, and none of AWS’s text is told', (code, type) => {
    for (const status of [400, 401, 403])
      expect(of(status, code)).toEqual([401, type, 'AWS refused the key.']);
  });

  it.each([
    ['Signature expired: 20260101T000000Z is now earlier than …'],
    ['Signature not yet current: 20260101T000000Z is still later than …'],
  ])('of the time is not of the key: %s', (message) => {
    expect(of(403, 'InvalidSignatureException', message)).toEqual([
      403,
      'permission_error',
      expect.stringContaining('the clock of the machine'),
    ]);
  });

  it.each<[number, string | undefined, number, string]>([
    [403, 'AccessDeniedException', 403, 'permission_error'],
    [404, 'FTUFormNotFilled', 403, 'permission_error'],
    [400, 'ValidationException', 400, 'invalid_request_error'],
    [404, 'ResourceNotFoundException', 404, 'not_found_error'],
    [429, 'ThrottlingException', 429, 'rate_limit_error'],
    [400, 'ServiceQuotaExceededException', 429, 'rate_limit_error'],
    [503, 'ServiceUnavailableException', 529, 'overloaded_error'],
    [408, 'ModelTimeoutException', 504, 'timeout_error'],
    [424, 'ModelErrorException', 500, 'api_error'],
    [500, 'InternalServerException', 500, 'api_error'],
    [403, undefined, 403, 'permission_error'],
    [403, 'SomethingNew', 403, 'permission_error'],
    [403, 'toString', 403, 'permission_error'],
    [502, undefined, 502, 'api_error'],
    [418, 'SomethingNew', 418, 'api_error'],
  ])('%i %s is %i %s', (status, code, toldStatus, type) => {
    expect(of(status, code)).toEqual([toldStatus, type, 'as said']);
  });

  it('says the model’s own words, and nothing that repeats a secret', () => {
    const lead =
      'The model returned the following errors: prompt is too long: 300000 tokens > 200000 maximum';
    expect(of(400, 'ValidationException', lead)[2]).toBe(
      'prompt is too long: 300000 tokens > 200000 maximum',
    );
    expect(of(400, 'ValidationException', `you sent ${SECRET}`)[2]).toBe('AWS Bedrock told of an error.');
    expect(messagesError(500, undefined, Buffer.from('<html>'), []).message).toBe(
      'AWS Bedrock told of an error.',
    );
    expect(exceptionText(`{"message":"${SECRET}"}`, [SECRET])).toBe('AWS Bedrock told of an error.');
    expect(exceptionText('{"message":"too much"}', [SECRET])).toBe('too much');
  });
});
