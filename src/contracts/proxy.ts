import { z } from 'zod';
import { traceSamplers, type TraceExport } from '../kernel/trace-export.js';
import { upstreamSchema } from './agents.js';
import { causeSchema } from './cause.js';
import { seenSchema } from './text.js';

/**
 * The wires of the proxy.
 *
 * 1. Agent side, on each workspace's Unix socket (HTTP/1.1): `/anthropic/…`, `/openai/…` and `/bedrock/…` (what follows is the provider's own path), and
 *    `/git/<host>/<owner>/<name>.git/…` for the one repository of the workspace. The credential there is the workspace's placeholder. `CONNECT <host>:443` is a
 *    tunnel to a host that the organization allows; it needs no credential.
 * 2. Control side, over HTTP to the control plane with the proxy token of the workspace: leases and reports.
 * 3. Parent side, over Node's IPC channel: which workspaces are open.
 */
export const proxyPaths = {
  lease: '/internal/v1/proxy/lease',
  report: '/internal/v1/proxy/report',
  withdrawn: '/internal/v1/proxy/withdrawn',
  egress: '/internal/v1/proxy/egress',
} as const;

/** What credentials are lent for: a model provider's wire, or git. Which host and repository git is for, the control plane knows and the proxy does not say. */
export const lentForSchema = z.enum([...upstreamSchema.options, 'git']);
export type LentFor = z.infer<typeof lentForSchema>;

export const leaseRequestSchema = z.strictObject({ upstream: lentForSchema });

/** Of AWS: it becomes a part of a host's name. */
export const awsRegionSchema = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be an AWS region, for example us-east-1');

/** What the proxy puts on a request, by kind, or signs it with. The only message in which a secret travels. */
export const leaseSecretSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('anthropic_api_key'), apiKey: z.string() }),
  z.object({ kind: z.literal('claude_setup_token'), token: z.string() }),
  z.object({ kind: z.literal('claude_oauth'), token: z.string() }),
  z.object({ kind: z.literal('anthropic_wif'), token: z.string() }),
  z.object({ kind: z.literal('openai_api_key'), apiKey: z.string() }),
  z.object({ kind: z.literal('openai_oauth'), token: z.string(), accountId: z.string() }),
  z.object({
    kind: z.literal('aws_bedrock'),
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    sessionToken: z.string().nullable(),
    region: awsRegionSchema,
  }),
  /** Of one git host, and for no other: as Basic credentials with this user name. */
  z.object({ kind: z.literal('git_token'), host: z.string(), username: z.string(), token: z.string() }),
]);
export type LeaseSecret = z.infer<typeof leaseSecretSchema>;

/**
 * The right to use one credential at one generation until `expiresAt`; asked anew after that. Errors: 401 the workspace sleeps or is gone; 409
 * `no-agent-credential` with a message for people, or `no-git-credential`: git goes without one; 403 `budget-spent`, with a message too; 503 for the
 * moment.
 */
export const leaseSchema = z.object({
  credentialId: z.uuid(),
  generation: z.int().positive(),
  expiresAt: z.iso.datetime(),
  secret: leaseSecretSchema,
  /** Of the turn under way, with the agent's span; absent between turns. Kept as long as the lease, so that a turn's first calls may still carry the one before. */
  cause: causeSchema.optional(),
  /** A budget is used by calls with it: it is good for one call, and the next lease is asked for when what that one used is reported. */
  budgeted: z.boolean().optional(),
  /** For git: how the repository is called by now, as `owner/name`, where its route was made for another name. */
  repository: z
    .string()
    .regex(/^(?!\.{1,2}\/)[\w.-]+\/(?!\.{1,2}$)[\w.-]+$/)
    .optional(),
});
export type Lease = z.infer<typeof leaseSchema>;

/** Which of the credentials that calls under way were sent with may not serve this workspace any more, since people took that right away. Errors as of a lease; 403: none of them may. */
export const withdrawnRequestSchema = z.strictObject({ credentialIds: z.array(z.uuid()).min(1).max(1000) });
export const withdrawnAnswerSchema = z.object({ credentialIds: z.array(z.uuid()) });

/** Which hosts the workspace may reach now, all of them: so a proxy asks once in a while, and not once for each of the names that an agent makes up. Errors as of a lease. */
export const egressRequestSchema = z.strictObject({});
export const egressAnswerSchema = z.object({ allowedHosts: z.array(z.string()) });

/**
 * Why an agent was not let through to a host.
 * - `not-https`: it asked for plain http, for another port than 443, or sent something else than TLS.
 * - `not-a-host`: what it asked for is no host's name: an address in any spelling, this machine, something malformed.
 * - `not-allowed`: the organization's list does not have it.
 * - `private-address`: the name leads into a private network, to this machine, or to a cloud's metadata.
 * - `other-name`: within the tunnel the agent asked for another name than it had told.
 */
export const blockedReasonSchema = z.enum([
  'not-https',
  'not-a-host',
  'not-allowed',
  'private-address',
  'other-name',
]);
export type BlockedReason = z.infer<typeof blockedReasonSchema>;

/**
 * What the proxy tells about model calls and about ways out that it refused, each with an id of its own so that it counts once however often it is delivered.
 * - `served`: the model answered 2xx with this credential; sent as soon as the answer's head is there. It is the turn's receipt.
 * - `usage`: tokens of one answer, when it ended. Null where the provider did not say (unknown is not zero).
 * - `refused`: upstream refused the credential itself: 401, or a 403 that says it was revoked. The call is held until another lease is there.
 * - `denied`: upstream refused the call and not the credential (another 403, a missing scope): a newer token would not help. The agent got the answer.
 * - `blocked`: the agent was not let through to a host. Told once a minute for each host and reason, and for a bounded number of them.
 * - `limited`: 429. `until`: when the provider says that a plan's quota is there again, null for a rate that is over in moments; never a reason to renew.
 */
export const proxyReportItemSchema = z.discriminatedUnion('type', [
  z.strictObject({
    id: z.uuid(),
    type: z.literal('served'),
    credentialId: z.uuid(),
    generation: z.int().positive(),
  }),
  z.strictObject({
    id: z.uuid(),
    type: z.literal('usage'),
    credentialId: z.uuid(),
    generation: z.int().positive(),
    model: seenSchema().nullable(),
    inputTokens: z.int().min(0).nullable(),
    outputTokens: z.int().min(0).nullable(),
    cacheReadTokens: z.int().min(0).nullable(),
    cacheWriteTokens: z.int().min(0).nullable(),
    /** Of what was written to a cache, what was written for an hour; absent where nothing was. */
    cacheHourTokens: z.int().min(0).optional(),
    /** Where the provider did not say what was used: what it may have been, by the size of the request and the bound it set to the answer (null: none). */
    atMost: z
      .strictObject({ inputTokens: z.int().min(0), outputTokens: z.int().min(0).nullable() })
      .optional(),
  }),
  z.strictObject({
    id: z.uuid(),
    type: z.enum(['refused', 'denied']),
    credentialId: z.uuid(),
    generation: z.int().positive(),
    status: z.int(),
    errorType: seenSchema().pipe(z.string().max(100)).nullable(),
  }),
  z.strictObject({
    id: z.uuid(),
    type: z.literal('limited'),
    credentialId: z.uuid(),
    generation: z.int().positive(),
    errorType: seenSchema().pipe(z.string().max(100)).nullable(),
    until: z.iso.datetime().nullable(),
  }),
  z.strictObject({
    id: z.uuid(),
    type: z.literal('blocked'),
    host: seenSchema().pipe(z.string().max(300)),
    port: z.int().min(0).max(65_535).nullable(),
    reason: blockedReasonSchema,
  }),
]);
export type ProxyReportItem = z.infer<typeof proxyReportItemSchema>;
export const proxyReportRequestSchema = z.strictObject({
  items: z.array(proxyReportItemSchema).min(1).max(100),
});
export type ProxyReportRequest = z.infer<typeof proxyReportRequestSchema>;

/** The git route of a workspace: where `/git/<path>/…` goes, and the only refs that a push may write, in full. Null when the repository is not reached over https. */
export const gitRouteSchema = z.strictObject({
  path: z.string(),
  upstreamUrl: z.url(),
  pushRefs: z.array(z.string()),
});

const traceExportSchema = z.strictObject({
  url: z.url(),
  headers: z.record(z.string(), z.string()),
  serviceName: z.string(),
  resource: z.record(z.string(), z.string()),
  sampler: z.enum(traceSamplers),
  ratio: z.number(),
}) satisfies z.ZodType<TraceExport>;

/**
 * A host in a private network that agents may reach all the same, where their organization allows it, since who runs Berth named it. With an address it is that one and nothing
 * is asked of DNS; its 443 is then `port` there. Without, its name is resolved, and may lead anywhere into a private network but not to this machine.
 */
export const privateHostSchema = z.strictObject({
  name: z.string(),
  address: z.union([z.ipv4(), z.ipv6()]).nullable(),
  port: z.int().min(1).max(65_535).nullable(),
});
export type PrivateHost = z.infer<typeof privateHostSchema>;

/** Parent to proxy. `configure` comes first and once. `open` of an open workspace replaces it. */
export const proxyCommandSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('configure'),
    internalUrl: z.url(),
    anthropicUrl: z.url(),
    openaiUrl: z.url(),
    /** Of ChatGPT logins: Codex's own path is below it. */
    chatgptUrl: z.url(),
    /** With `{region}` in it where each region has a host of its own. */
    bedrockUrl: z.string(),
    /** Which id at Bedrock a model's name stands for, where the owner of the instance says so. */
    bedrockModels: z.record(z.string(), z.string()),
    /** None by default. */
    privateHosts: z.array(privateHostSchema).optional(),
    /** Where the proxy's spans go. */
    traceExport: traceExportSchema.optional(),
  }),
  z.strictObject({
    type: z.literal('open'),
    requestId: z.string(),
    workspaceId: z.uuid(),
    socketPath: z.string(),
    placeholder: z.string(),
    proxyToken: z.string(),
    git: gitRouteSchema.nullable(),
  }),
  /** A newer generation is there, or none: leases of this one are not used again, the next request asks anew, and for calls under way it is asked whether they may go on. */
  z.strictObject({ type: z.literal('forget'), credentialId: z.uuid() }),
  z.strictObject({ type: z.literal('close'), requestId: z.string(), workspaceId: z.uuid() }),
]);
export type ProxyCommand = z.infer<typeof proxyCommandSchema>;

/** What came of one call to an upstream. */
export const proxyMeasureSchema = z.strictObject({
  upstream: lentForSchema,
  /** Of the upstream's status; `none`: it gave no answer, or the agent left first. */
  statusClass: z.enum(['2xx', '3xx', '4xx', '5xx', 'none']),
  seconds: z.number().min(0),
});
export type ProxyMeasure = z.infer<typeof proxyMeasureSchema>;

/**
 * A call that had to wait for more than its first lease: until it was sent in the end (`answered`), nothing was left to send it with (`refused`), the bound was over (`not-ready`),
 * or the agent went away (`left`).
 */
export const proxyHeldSchema = z.strictObject({
  upstream: upstreamSchema,
  outcome: z.enum(['answered', 'refused', 'not-ready', 'left']),
  /** The time it waited; what its sends took is not in it. */
  seconds: z.number().min(0),
  resends: z.int().min(0),
});
export type ProxyHeld = z.infer<typeof proxyHeldSchema>;

/**
 * A tunnel that an agent asked for: it was open and has ended (`closed`), or was ended here (`cut`); it was not allowed (`blocked`), its host gave no answer (`unreachable`), or it was
 * not known whether it may be (`not-ready`).
 */
export const proxyTunnelSchema = z.strictObject({
  outcome: z.enum(['closed', 'cut', 'blocked', 'unreachable', 'not-ready']),
  bytesOut: z.int().min(0),
  bytesIn: z.int().min(0),
});
export type ProxyTunnel = z.infer<typeof proxyTunnelSchema>;

/** Proxy to parent: `ready` once configured; `done` or `failed` for each request; `measured` after each call to an upstream `held` after each call of an agent that had to wait, and `tunnel` after each tunnel, for the parent's metrics. */
export const proxyMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('done'), requestId: z.string() }),
  z.strictObject({ type: z.literal('failed'), requestId: z.string(), message: z.string() }),
  proxyMeasureSchema.extend({ type: z.literal('measured') }),
  proxyHeldSchema.extend({ type: z.literal('held') }),
  proxyTunnelSchema.extend({ type: z.literal('tunnel') }),
]);
export type ProxyMessage = z.infer<typeof proxyMessageSchema>;
