import { exitCodeOfStatus, exitCodesText } from './exit-codes.js';
import { CliError, RefusedError, describeFailure, failureJson } from './failure.js';

it.each([
  [400, 2],
  [401, 3],
  [403, 3],
  [404, 4],
  [409, 5],
  [422, 2],
  [429, 6],
  [500, 1],
  [503, 6],
])('an answer of %i ends with %i', (status, code) => expect(exitCodeOfStatus(status)).toBe(code));

it('names every code', () => {
  for (let code = 0; code <= 8; code++)
    expect(exitCodesText()).toMatch(new RegExp(`^ {2}${code} {2}\\S`, 'm'));
});

describe('a refusal', () => {
  const error = new RefusedError({
    status: 409,
    problemCode: 'slug-taken',
    message: 'The slug is taken.\u001b[2J',
    details: ['slug: try another'],
    retryAfterSeconds: null,
    requestId: 'req-1',
  });

  it('is told to people with the request id', () => {
    expect(describeFailure(error)).toEqual({
      exitCode: 5,
      lines: ['berth: The slug is taken.[2J (slug-taken)', '  slug: try another', '  request id: req-1'],
    });
  });

  it('says one wrong field once', () => {
    const [message, details] = ['body.slug: is missing', ['body.slug: is missing']];
    expect(describeFailure(new CliError(2, message, details)).lines).toEqual([
      'berth: body.slug: is missing',
    ]);
  });

  it('is told to programs on one line', () => {
    const { exitCode, lines } = failureJson(error);
    expect(exitCode).toBe(5);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('\u001b');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      error: {
        code: 'slug-taken',
        message: 'The slug is taken.\u001b[2J',
        exitCode: 5,
        status: 409,
        requestId: 'req-1',
        details: ['slug: try another'],
      },
    });
  });
});

it('what nobody foresaw comes without a stack', () => {
  expect(describeFailure(new Error('odd'))).toEqual({ exitCode: 1, lines: ['berth: odd'] });
});
