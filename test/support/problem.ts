import type { Problem } from '../../src/contracts/index.js';
import type { Answered } from './api.js';

/** Fails unless the answer is a problem+json of this status and code, as RFC 9457 and the contract say; answers the problem. */
export function expectProblem(answer: Answered<unknown>, status: number, code?: string): Problem {
  const problem = answer.body as Problem;
  expect({ status: answer.status, body: problem }).toMatchObject({
    status,
    body: { status, ...(code ? { code } : {}) },
  });
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(problem.type).toBe(`urn:berth:problem:${problem.code}`);
  expect(problem.detail.length).toBeGreaterThan(5);
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'));
  return problem;
}
