import type { Candidate } from '../contracts/index.js';
import { loginEndOf, withEnds } from './login-end.js';

const connectedAt = new Date('2026-11-01T12:00:00Z');
const candidate = (credentialId: string, usable: boolean): Candidate => ({
  credentialId,
  scope: 'user',
  kind: 'claude_oauth',
  usable,
  reason: 'chosen',
});

it('a Claude login ends 30 days after it was connected, and nothing else has such an end', () => {
  expect(loginEndOf({ kind: 'claude_oauth', connectedAt })).toEqual(new Date('2026-12-01T12:00:00Z'));
  expect(loginEndOf({ kind: 'openai_oauth', connectedAt })).toBeNull();
  expect(loginEndOf({ kind: 'anthropic_api_key', connectedAt })).toBeNull();
});

it.each([
  ['2026-11-28T11:59:59Z', 'chosen'],
  ['2026-11-28T12:00:00Z', 'chosen; the login ends at 2026-12-01T12:00:00.000Z: connect it again'],
  ['2026-12-01T12:00:00Z', 'chosen; the login was to end at 2026-12-01T12:00:00.000Z: connect it again'],
])('at %s the explanation says "%s"', (now, reason) => {
  const rows = [
    { id: 'a', kind: 'claude_oauth', connectedAt },
    { id: 'b', kind: 'claude_oauth', connectedAt },
    { id: 'c', kind: 'anthropic_api_key', connectedAt },
  ];
  const candidates = [candidate('a', true), candidate('b', false), candidate('c', true)];
  const explained = withEnds(
    { agent: 'claude', chosen: candidates[0] ?? null, candidates },
    rows,
    new Date(now),
  );
  expect(explained.chosen?.reason).toBe(reason);
  // One that cannot serve says why, and one that has no end says nothing of it.
  expect(explained.candidates.map((each) => each.reason)).toEqual([reason, 'chosen', 'chosen']);
});
