import { BerthError, type ErrorCode } from '../../kernel/index.js';
import { toBerthError, writtenProblem } from '../problem.js';
import { addedHeaders, isFinal } from './answer.js';
import { ANYONE, type KeyScope } from './key.js';

const ada: KeyScope = { organizationId: 'acme', personId: 'ada' };
const nobody: KeyScope = { organizationId: null, personId: ANYONE };

describe('a refusal', () => {
  const final = (thrown: unknown, scope = ada): boolean =>
    isFinal(thrown, writtenProblem(toBerthError(thrown), 'r'), scope);

  it.each<[ErrorCode, boolean, boolean]>([
    ['not-found', true, false],
    ['no-agent-credential', true, false],
    ['validation-failed', true, false],
    ['forbidden', true, false],
    ['internal', true, true],
    ['too-many-requests', false, false],
    ['database-unavailable', false, false],
    ['not-ready', false, false],
  ])('%s is the answer for good: of a person %s, of nobody %s', (code, ofPerson, ofNobody) => {
    expect(final(new BerthError(code, 'x'))).toBe(ofPerson);
    expect(final(new BerthError(code, 'x'), nobody)).toBe(ofNobody);
  });

  it('that nobody foresaw is, and one that another transaction forced is not', () => {
    expect(final(new TypeError('x'))).toBe(true);
    expect(final(Object.assign(new Error('x'), { code: 'P2034' }))).toBe(false);
  });
});

describe('the headers of an answer', () => {
  it('are those that its handler gave it', () => {
    const before = { 'x-request-id': '1', 'cache-control': 'no-store' };
    const after = {
      ...before,
      'cache-control': 'private',
      'set-cookie': ['a=1', 'b=2'],
      location: '/x',
      'x-count': 3,
    };
    expect(addedHeaders(before, after)).toEqual({
      'cache-control': 'private',
      'set-cookie': ['a=1', 'b=2'],
      location: '/x',
      'x-count': '3',
    });
    expect(addedHeaders(before, before)).toEqual({});
  });
});
