import { BerthError, errorCodes, messageOf, type ErrorCode } from './errors.js';

const codes = Object.keys(errorCodes) as ErrorCode[];

describe('BerthError', () => {
  it.each(codes)('%s is a code in kebab case with an HTTP status of an error', (code) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(new BerthError(code, 'x').status).toBe(errorCodes[code]);
    expect(errorCodes[code]).toBeGreaterThanOrEqual(400);
    expect(errorCodes[code]).toBeLessThan(600);
  });

  it('carries what the edge needs, and is an Error', () => {
    const errors = [{ path: 'body.name', message: 'must not be empty' }];
    const error = new BerthError('validation-failed', 'body.name: must not be empty', {
      errors,
      retryAfterSeconds: 3,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'BerthError',
      code: 'validation-failed',
      errors,
      retryAfterSeconds: 3,
      status: 422,
    });
  });

  it('keeps its cause for us: JSON does not show it', () => {
    const error = new BerthError('internal', 'Something went wrong.', {
      cause: new Error('the secret reason'),
    });
    expect((error.cause as Error).message).toBe('the secret reason');
    expect(JSON.stringify(error)).not.toContain('secret reason');
    expect(error.message).not.toContain('secret reason');
  });

  it.each<[unknown, string]>([
    [new Error('broken'), 'broken'],
    [new BerthError('not-found', 'gone'), 'gone'],
    ['just text', 'just text'],
    [undefined, 'undefined'],
    [{ code: 1 }, '[object Object]'],
  ])('messageOf(%p)', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});
