import { z } from 'zod';
import { route, timeSchema } from './route.js';

/** A public key (RFC 7517), and never its private part: what is not named here is not sent. */
export const publicJwkSchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  kid: z.string(),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
});

export const jwksSchema = z.object({ keys: z.array(publicJwkSchema) });
export type Jwks = z.infer<typeof jwksSchema>;

export const jwksRoute = route({
  method: 'GET',
  path: '/.well-known/jwks.json',
  access: 'public',
  summary: 'The public keys of this Berth as an issuer of identity tokens (workload identity)',
  answer: { status: 200, body: jwksSchema },
});

/** OpenID Connect Discovery 1.0, as far as whoever checks a token needs it: nobody signs in here. */
export const discoverySchema = z.object({
  issuer: z.url(),
  jwks_uri: z.url(),
  response_types_supported: z.array(z.string()),
  subject_types_supported: z.array(z.string()),
  id_token_signing_alg_values_supported: z.array(z.string()),
  claims_supported: z.array(z.string()),
});
export type Discovery = z.infer<typeof discoverySchema>;

export const discoveryRoute = route({
  method: 'GET',
  path: '/.well-known/openid-configuration',
  access: 'public',
  summary: 'This Berth as an issuer of identity tokens: its name, and where its keys are',
  answer: { status: 200, body: discoverySchema },
});

const MIN_AHEAD_SECONDS = 15 * 60;
const MAX_AHEAD_SECONDS = 30 * 24 * 3600;

export const issuerViewSchema = z.object({
  issuer: z.string(),
  keys: z.array(
    z.object({
      id: z.uuid(),
      /** `waiting`: published, and does not sign yet. `signing`: signs now. `retiring`: signs no more, and is published until what it signed is over. */
      state: z.enum(['waiting', 'signing', 'retiring']),
      createdAt: timeSchema,
      signsFrom: timeSchema,
    }),
  ),
  /** As it stands at /.well-known/jwks.json: to be pasted where a provider does not fetch it. */
  jwks: jwksSchema,
});
export type IssuerView = z.infer<typeof issuerViewSchema>;

export const rotateIssuerKeyRoute = route({
  method: 'POST',
  path: '/api/v1/instance/issuer/rotate',
  access: 'instance-administrator',
  summary: 'Make the next key that identity tokens are signed with; one that waits already stays as it is',
  body: z
    .strictObject({
      /** How long it is published before it signs: where keys are pasted at the provider, the time there is to do so. */
      publishAheadSeconds: z
        .int()
        .min(MIN_AHEAD_SECONDS, 'must be at least 900 (15 minutes): providers keep the keys they fetched')
        .max(MAX_AHEAD_SECONDS, 'must be at most 2592000 (30 days)')
        .default(3600),
    })
    .default({ publishAheadSeconds: 3600 }),
  answer: { status: 202, body: issuerViewSchema },
});
