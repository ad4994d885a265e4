import type { AnswerBody, Posted } from '../../oauth/index.js';
import { dialect as chatgpt } from './chatgpt.js';
import { dialect as claude } from './claude.js';
import { grantOf } from './grant.js';

const NOW = new Date('2026-11-25T12:00:00Z');
const SECRET = 'sk-ant-ort01-never-to-be-repeated';

const answered = (status: number, body: AnswerBody | null, unreadable: string | null = null): Posted => ({
  kind: 'answered',
  status,
  body,
  unreadable,
  retryAfterSeconds: null,
});
const apiError = (code: string) => ({
  error: { message: `about ${SECRET}`, type: 'invalid_request_error', code },
});

describe('an answer of Claude', () => {
  it.each<[string, Posted, string, string]>([
    [
      'invalid_grant',
      answered(400, { error: 'invalid_grant', error_description: SECRET }),
      'rejected',
      'Claude refused the login (invalid_grant)',
    ],
    [
      'invalid_grant as 401',
      answered(401, { error: 'invalid_grant' }),
      'rejected',
      'Claude refused the login (invalid_grant)',
    ],
    [
      'a client that is not known',
      answered(401, { error: 'invalid_client' }),
      'failed',
      'status 401 (invalid_client)',
    ],
    [
      'a client that may not',
      answered(400, { error: 'unauthorized_client' }),
      'failed',
      '(unauthorized_client)',
    ],
    ['400 without a code', answered(400, {}), 'failed', "Claude's token endpoint answered with status 400"],
    ['400 with free text for a code', answered(400, { error: SECRET }), 'failed', 'status 400'],
    ['400 that is no JSON', answered(400, null, 'is not a JSON object'), 'failed', 'status 400'],
    [
      'an error of the API',
      answered(400, { type: 'error', error: { type: 'invalid_request_error' } }),
      'failed',
      '(invalid_request_error)',
    ],
    ['403 of a gate', answered(403, null, 'is not a JSON object'), 'failed', 'status 403'],
    ['408', answered(408, { error: 'invalid_grant' }), 'failed', 'status 408'],
    ['429', answered(429, { error: 'invalid_grant' }), 'failed', 'status 429'],
    ['500', answered(500, { error: 'invalid_grant' }), 'failed', 'status 500'],
    ['529', answered(529, null, 'broke off'), 'failed', 'status 529'],
    ['a redirect', answered(307, null, 'is not a JSON object'), 'failed', 'sends elsewhere (status 307)'],
    [
      'a page with 200',
      answered(200, null, 'is not a JSON object'),
      'unknown',
      'its answer is not a JSON object',
    ],
    ['200 that broke off', answered(200, null, 'broke off'), 'unknown', 'its answer broke off'],
    ['200 without a token', answered(200, { refresh_token: SECRET }), 'unknown', 'its answer holds no token'],
    ['200 with a token of two lines', answered(200, { access_token: 'a\nb' }), 'unknown', 'holds no token'],
    ['204', answered(204, null, 'is not a JSON object'), 'unknown', 'status 204'],
    [
      'nobody there',
      { kind: 'not-sent', reason: 'host: ECONNREFUSED' },
      'failed',
      'Claude could not be reached (host: ECONNREFUSED)',
    ],
    [
      'a lost answer',
      { kind: 'no-answer', reason: 'host: ECONNRESET' },
      'unknown',
      'The answer of Claude was lost',
    ],
  ])('%s', (_name, posted, outcome, reason) => {
    const grant = grantOf(posted, claude(NOW));
    expect(grant).toMatchObject({ outcome, reason: expect.stringContaining(reason) as string });
    expect(JSON.stringify(grant)).not.toContain(SECRET);
  });

  it('is read with what it leaves out', () => {
    const grant = grantOf(
      answered(200, { access_token: 'a', expires_in: 60, account: { email_address: 'a@example.com' } }),
      claude(NOW),
    );
    expect(grant).toEqual({
      outcome: 'granted',
      value: {
        accessToken: 'a',
        refreshToken: null,
        expiresAt: new Date('2026-11-25T12:01:00Z'),
        scopes: null,
        email: 'a@example.com',
      },
    });
  });
});

describe('an answer of ChatGPT', () => {
  it.each<[string, Posted, string, string]>([
    [
      'a reused token',
      answered(401, apiError('refresh_token_reused')),
      'rejected',
      'ChatGPT refused the login (refresh_token_reused)',
    ],
    [
      'a token that ran out',
      answered(401, apiError('refresh_token_expired')),
      'rejected',
      '(refresh_token_expired)',
    ],
    [
      'an ended login',
      answered(401, { error: 'refresh_token_invalidated' }),
      'rejected',
      '(refresh_token_invalidated)',
    ],
    [
      'the code beside the error',
      answered(401, { error: 'invalid_grant', code: 'refresh_token_reused' }),
      'rejected',
      '(refresh_token_reused)',
    ],
    [
      'a garbled token',
      answered(400, apiError('invalid_refresh_token_ciphertext_integrity')),
      'rejected',
      '(invalid_refresh',
    ],
    [
      '401 with another code',
      answered(401, apiError('something_else')),
      'failed',
      'status 401 (something_else)',
    ],
    ['401 without a code', answered(401, { detail: 'Unauthorized' }), 'failed', 'status 401'],
    ['401 that is no JSON', answered(401, null, 'is not a JSON object'), 'failed', 'status 401'],
    ['400 without a code', answered(400, {}), 'failed', 'status 400'],
    ['429', answered(429, apiError('refresh_token_reused')), 'failed', 'status 429'],
    ['503', answered(503, null, 'is not a JSON object'), 'failed', 'status 503'],
    ['200 with nothing', answered(200, {}), 'unknown', 'holds no token'],
    ['a lost answer', { kind: 'no-answer', reason: 'x' }, 'unknown', 'was lost'],
  ])('%s', (_name, posted, outcome, reason) => {
    const grant = grantOf(posted, chatgpt(NOW));
    expect(grant).toMatchObject({ outcome, reason: expect.stringContaining(reason) as string });
    expect(JSON.stringify(grant)).not.toContain(SECRET);
  });
});
