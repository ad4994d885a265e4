import { claimsOf, subjectOf, subjectPrefixOf } from './assertion.js';

const [organizationId, workspaceId] = [
  '019aa000-0000-7000-8000-00000000000a',
  '019aa000-0000-7000-8000-00000000000b',
];

describe('an assertion', () => {
  it('says who, for whom and for how long, and nothing else', () => {
    const now = new Date('2026-06-01T12:00:00.900Z');
    const seconds = Date.parse('2026-06-01T12:00:00Z') / 1000;
    const terms = { issuer: 'https://berth.example', audience: 'https://api.anthropic.com', id: 'one' };
    const claims = claimsOf({ ...terms, organizationId, workspaceId }, now);
    expect(claims).toEqual({
      iss: 'https://berth.example',
      aud: 'https://api.anthropic.com',
      sub: `berth:organization:${organizationId}:workspace:${workspaceId}`,
      iat: seconds - 60,
      exp: seconds + 540,
      jti: 'one',
    });
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(600);
  });

  it('has a subject that no other organization can come near', () => {
    expect(subjectOf(organizationId, workspaceId).startsWith(subjectPrefixOf(organizationId))).toBe(true);
    // What a rule of one organization allows ends with a colon behind the whole id.
    expect(subjectPrefixOf(organizationId)).toMatch(/:organization:[\da-f-]{36}:workspace:$/);
  });
});
