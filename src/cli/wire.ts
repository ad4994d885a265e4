import { z } from 'zod';

/**
 * What the command reads of Berth's answers. Only what it needs must be there, and what it does not know passes through to `--json`: a command
 * of last month has to work with the Berth of today.
 */
const optionalText = z.string().nullish();

export const workspaceSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  name: optionalText,
  stateReason: optionalText,
  desiredState: optionalText,
  repository: optionalText,
  ref: optionalText,
  branch: optionalText,
  agent: optionalText,
  model: optionalText,
  authentication: optionalText,
  owner: z.looseObject({ name: optionalText, email: optionalText }).nullish(),
  credential: z.looseObject({ kind: z.string(), scope: z.string() }).nullish(),
  pullRequestUrl: optionalText,
  createdAt: optionalText,
  lastActivityAt: optionalText,
});
export type Workspace = z.infer<typeof workspaceSchema>;

export const messageSchema = z.looseObject({
  id: z.string(),
  seq: z.number(),
  author: z.looseObject({ type: z.string() }),
  text: z.string(),
  state: z.string(),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullish(),
});
export type Message = z.infer<typeof messageSchema>;

export const eventSchema = z.looseObject({
  seq: z.int().positive(),
  at: z.string(),
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type WorkspaceEvent = z.infer<typeof eventSchema>;

export const meSchema = z.looseObject({
  user: z.looseObject({ id: z.string(), name: optionalText, email: optionalText }),
  organizations: z.array(
    z.looseObject({ id: z.string(), slug: z.string(), name: z.string(), role: optionalText }),
  ),
});
export type Me = z.infer<typeof meSchema>;

/** RFC 9457, with Berth's `code` and `errors`. */
export const problemSchema = z.looseObject({
  title: optionalText,
  detail: optionalText,
  code: optionalText,
  requestId: optionalText,
  errors: z.array(z.looseObject({ path: z.string(), message: z.string() })).nullish(),
});

/** A list's page; `nextCursor` null or absent is the last. */
export const pageSchema = z.looseObject({ items: z.array(z.unknown()), nextCursor: optionalText });

const finalStates = new Set(['completed', 'failed', 'canceled']);

/** True when a message's turn is over. */
export function isFinal(message: Message): boolean {
  return finalStates.has(message.state);
}

export const credentialSchema = z.looseObject({
  kind: z.string(),
  scope: z.string(),
  status: optionalText,
  hint: optionalText,
  generation: z.number().nullish(),
  expiresAt: optionalText,
  lastError: optionalText,
  loginEndsAt: optionalText,
  account: z.looseObject({ email: optionalText, plan: optionalText }).nullish(),
});
export type Credential = z.infer<typeof credentialSchema>;

/** One that was just set. */
export const storedCredentialSchema = credentialSchema.extend({ notice: optionalText });

/** One credential with what a list leaves out. */
export const shownCredentialSchema = credentialSchema.extend({
  connectedAt: optionalText,
  connectedBy: z.looseObject({ name: z.string() }).nullish(),
  lastRotatedAt: optionalText,
  limitedUntil: optionalText,
  fallback: z.boolean().nullish(),
  usedBy: z.array(z.string()).nullish(),
});
export type ShownCredential = z.infer<typeof shownCredentialSchema>;

export const rotationSchema = z.looseObject({
  startedAt: z.string(),
  generation: z.int(),
  nextGeneration: z.int().nullish(),
  reason: z.string(),
  state: z.string(),
  message: optionalText,
});
export type Rotation = z.infer<typeof rotationSchema>;

/** A login that was begun: a link to open, or a code to type. */
export const authorizationSchema = z.discriminatedUnion('method', [
  z.looseObject({ method: z.literal('paste'), authorizationUrl: z.string(), notice: optionalText }),
  z.looseObject({
    method: z.literal('device'),
    verificationUrl: z.string(),
    userCode: z.string(),
    notice: optionalText,
  }),
]);
export type Authorization = z.infer<typeof authorizationSchema>;

export const authorizationStatusSchema = z.looseObject({ state: z.string(), message: z.string() });

const candidateSchema = z.looseObject({
  kind: z.string(),
  scope: z.string(),
  usable: z.boolean(),
  reason: z.string(),
});
export const resolutionSchema = z.looseObject({
  agent: z.string(),
  chosen: candidateSchema.nullish(),
  candidates: z.array(candidateSchema),
});
export type Resolution = z.infer<typeof resolutionSchema>;

export const apiKeySchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  expiresAt: optionalText,
  lastUsedAt: optionalText,
});
/** An API key at the one time its text is shown. */
export const newApiKeySchema = apiKeySchema.extend({ apiKey: z.string() });

export const setupAnswerSchema = z.looseObject({
  organization: z.looseObject({ slug: z.string(), name: z.string() }),
  user: z.looseObject({ name: z.string(), email: z.string() }),
  apiKey: z.string(),
});

export const joinedSchema = z.looseObject({
  organization: z.looseObject({ slug: z.string(), name: z.string() }),
  user: z.looseObject({ email: z.string() }),
  apiKey: z.string(),
});

export const memberSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  role: z.string(),
  createdAt: optionalText,
});
export type Member = z.infer<typeof memberSchema>;

export const invitationSchema = z.looseObject({
  id: z.string(),
  email: z.string(),
  role: z.string(),
  expiresAt: z.string(),
});
/** An invitation at the one time its link is shown. */
export const newInvitationSchema = z.looseObject({ id: z.string(), url: z.string(), expiresAt: z.string() });

export const keysSchema = z.looseObject({
  sealingKey: z.string(),
  keys: z.array(
    z.looseObject({
      id: z.string(),
      inRing: z.boolean(),
      retiredAt: optionalText,
      rows: z.record(z.string(), z.number()),
    }),
  ),
  rotation: z
    .looseObject({ target: z.string(), state: z.string(), startedAt: z.string(), finishedAt: optionalText })
    .nullish(),
  advice: z.array(z.string()),
});
export type Keys = z.infer<typeof keysSchema>;

const used = z.looseObject({ limit: z.number(), used: z.number() });
export const limitsSchema = z.looseObject({
  workspaces: used,
  running: used,
  requestsPerSecond: z.looseObject({ limit: z.number() }),
});
export type Limits = z.infer<typeof limitsSchema>;

export const egressPolicySchema = z.looseObject({
  allowedHosts: z.array(z.string()),
  isDefault: z.boolean(),
});
export type EgressPolicy = z.infer<typeof egressPolicySchema>;

export const deliverySchema = z.looseObject({
  system: z.string(),
  event: z.string(),
  action: optionalText,
  state: z.string(),
  outcome: optionalText,
  receivedAt: z.string(),
});

export const conversationSchema = z.looseObject({
  id: z.string(),
  system: z.string(),
  url: z.string(),
  state: z.string(),
  stateReason: optionalText,
});

export const usageLineSchema = z.looseObject({
  key: z.string().nullable(),
  name: z.string().nullable(),
  calls: z.int(),
  unknownCalls: z.int(),
  inputTokens: z.int(),
  outputTokens: z.int(),
  cacheReadTokens: z.int(),
  cacheWriteTokens: z.int(),
  costUsd: z.number(),
  unpricedCalls: z.int(),
});
export type UsageLine = z.infer<typeof usageLineSchema>;

const named = z.looseObject({ type: z.string(), id: optionalText, name: optionalText });
export const auditEntrySchema = z.looseObject({
  seq: z.int(),
  at: z.string(),
  action: z.string(),
  actor: named,
  subject: named.nullish(),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

const auditHeadSchema = z.looseObject({ chain: z.string(), seq: z.int(), hash: z.string() });
export type AuditHead = z.infer<typeof auditHeadSchema>;
/** The last line of an export. */
export const auditEndSchema = z.looseObject({ head: auditHeadSchema });

export const auditVerdictSchema = z.looseObject({
  holds: z.boolean(),
  entries: z.int(),
  head: auditHeadSchema.nullish(),
  fault: z.looseObject({ seq: z.int(), problem: z.string(), message: z.string() }).nullish(),
});
export type AuditVerdict = z.infer<typeof auditVerdictSchema>;

export const githubLinkSchema = z.looseObject({ url: z.string() });

export const githubIntegrationSchema = z.looseObject({
  app: z.looseObject({ mention: z.string() }).nullable(),
  installations: z.array(
    z.looseObject({
      id: z.string(),
      account: z.looseObject({ login: z.string() }),
      suspendedAt: optionalText,
      missingPermissions: z.array(z.string()).nullish(),
    }),
  ),
});
export type GithubIntegration = z.infer<typeof githubIntegrationSchema>;

export const githubAppSchema = z.looseObject({ slug: z.string(), formerWebhookSecretsUntil: optionalText });
export type GithubApp = z.infer<typeof githubAppSchema>;

export const linearIntegrationSchema = z.looseObject({
  isConfigured: z.boolean(),
  webhookUrl: z.string(),
  redirectUrl: z.string(),
  connection: z
    .looseObject({
      linearOrganization: z.looseObject({ name: z.string() }),
      appUser: z.looseObject({ name: z.string() }),
      status: z.string(),
      lastError: optionalText,
    })
    .nullable(),
});
export type LinearIntegration = z.infer<typeof linearIntegrationSchema>;

/** Where a browser goes to connect something. */
export const linkSchema = z.looseObject({ url: z.string(), expiresAt: z.string() });

export const externalAccountsSchema = z.looseObject({
  items: z.array(
    z.looseObject({
      system: z.string(),
      externalId: z.string(),
      handle: optionalText,
      proof: z.string(),
      organizationId: z.string(),
    }),
  ),
});

export const mappingSchema = z.looseObject({
  id: z.string(),
  linearTeamKey: z.string(),
  linearProject: optionalText,
  label: optionalText,
  repository: z.string(),
  branch: optionalText,
  agent: optionalText,
  provider: z.string(),
  awsRegion: optionalText,
  model: optionalText,
  enabled: z.boolean(),
});
export type Mapping = z.infer<typeof mappingSchema>;

export const preferencesSchema = z.looseObject({
  agent: z.string().nullable(),
  model: z.string().nullable(),
});
export type Preferences = z.infer<typeof preferencesSchema>;

export const credentialPolicySchema = z.looseObject({
  organizationFallback: z.boolean(),
  automation: z.boolean(),
});
export type CredentialPolicy = z.infer<typeof credentialPolicySchema>;
