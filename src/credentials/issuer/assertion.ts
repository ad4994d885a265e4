import { ASSERTION_SECONDS, BACKDATED_SECONDS } from './issuer-key.js';

/** Whom an assertion is about, and for whom it is made. */
export interface AssertionTerms {
  issuer: string;
  audience: string;
  organizationId: string;
  workspaceId: string;
  /** Unique for each: one that was seen twice was stolen. */
  id: string;
}

/** The claims of RFC 7519 that providers ask for (providers.md 2.2), and no other: what is signed here is read by others. */
export interface AssertionClaims {
  iss: string;
  aud: string;
  sub: string;
  iat: number;
  exp: number;
  jti: string;
}

/**
 * `berth:organization:<id>:workspace:<id>`. Both are ids that Berth gave, of one length and without a colon, so that no organization can be given a name that
 * looks like another's, and the prefix up to `workspace:` fits one organization alone.
 */
export function subjectOf(organizationId: string, workspaceId: string): string {
  return `${subjectPrefixOf(organizationId)}${workspaceId}`;
}

/** What all workspaces of an organization have in common; with a `*` behind it is what a federation rule names. */
export function subjectPrefixOf(organizationId: string): string {
  return `berth:organization:${organizationId}:workspace:`;
}

export function claimsOf(terms: AssertionTerms, now: Date): AssertionClaims {
  const seconds = Math.floor(now.getTime() / 1000);
  return {
    iss: terms.issuer,
    aud: terms.audience,
    sub: subjectOf(terms.organizationId, terms.workspaceId),
    iat: seconds - BACKDATED_SECONDS,
    exp: seconds + ASSERTION_SECONDS,
    jti: terms.id,
  };
}
