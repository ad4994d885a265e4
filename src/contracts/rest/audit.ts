import { z } from 'zod';
import { listOf, organizationParams, pageQuerySchema, route, timeSchema } from './route.js';

/**
 * Everything that is audited, with what it says to people. A closed list: what is not here cannot be booked. Named after the thing and what became of it.
 */
export const auditActions = {
  'instance.set-up': 'Berth was set up: the first organization and its owner',
  'organization.created': 'an organization was founded',
  'member.role-changed': 'a member was given another role',
  'member.removed': 'a member was removed, or left',
  'invitation.created': 'somebody was invited',
  'invitation.revoked': 'an invitation was taken back',
  'invitation.accepted': 'an invitation was accepted: a new member, with an API key',
  'connection.begun':
    'somebody set out to another system, to connect it or an account there (what came of it is booked apart)',
  'external-account.linked': 'an account at another system became a member’s',
  'external-account.renamed': 'a connected account has another name at the other system',
  'external-account.flagged':
    'somebody at another system has the name, or the address, of a member and is not known to be them: refused',
  'external-account.unlinked': 'a member disconnected an account at another system',
  'github-app.made': 'this Berth got an App at GitHub',
  'github-app.secrets-replaced': 'secrets of the App at GitHub were replaced',
  'limits.changed': 'the limits of an organization were changed',
  'session.opened': 'a person signed in with a password',
  'session.refused': 'somebody tried to sign in and failed',
  'session.closed': 'a person signed out',
  'api-key.created': 'an API key was made',
  'api-key.deleted': 'an API key was deleted',
  'credential.set': 'a credential was set or replaced',
  'credential.connect-begun': 'somebody began to connect a login (that it was connected is credential.set)',
  'credential.code-brought': 'somebody brought the code of a login to be exchanged',
  'credential.removed': 'a credential was removed',
  'credential.used':
    'a workspace used a credential for the first time since it was set (and was given its secret)',
  'credential.rejected': 'a provider ended a credential: it has to be set or connected anew',
  'credential.login-ending': 'a provider ends a login within days: somebody has to connect it again',
  'credential.fallback':
    'a workspace was given another credential, because one that comes before it could not serve',
  'credential.rotation-forced': 'somebody asked to renew a login now',
  'mapping.created': 'work for a Linear team was sent to a repository',
  'mapping.changed': 'a mapping of a Linear team to a repository was changed',
  'mapping.removed': 'a mapping of a Linear team to a repository was removed',
  'preferences.changed': 'a member chose agent and model for work from other systems',
  'credential-policy.changed':
    'an admin decided whether the organization’s credentials serve where a member’s own fail, and where no person asked',
  'egress-policy.changed': 'an admin decided which hosts the agents of the organization may reach',
  'workspace.created': 'a workspace was made',
  'workspace.updated':
    'name, model or idle time of a workspace were changed, or it was shared or not any more',
  'workspace.hibernated': 'a workspace was asked to sleep',
  'workspace.woken': 'a workspace was asked to run',
  'workspace.deleted': 'a workspace was asked to be deleted',
  'message.sent': 'a message was sent to an agent (its text is not here)',
  'message.canceled': 'a turn was canceled',
  'conversation.paused':
    'so much was asked in a conversation at another system that it looked like a loop; it was paused',
  'conversation.resumed': 'an admin had a paused conversation heard again',
  'budget.created': 'a budget was set',
  'budget.changed': 'a budget was changed',
  'budget.removed': 'a budget was removed',
  'budget.nearly-spent': 'so much of a budget is used in its period that people are told',
  'budget.spent':
    'a budget is spent: agents that it is for get no credential until it is raised or its period ends',
  'integration.connected': 'the organization was connected to another system where people ask for work',
  'integration.disconnected':
    'the organization was disconnected from another system, by an admin or from there',
  'keys.rotation-started': 'somebody asked to seal everything with the first key of the ring',
  'keys.rotation-finished': 'everything is sealed with the new key; the former ones are retired',
  'issuer.key-made': 'there is a new key that identity tokens are signed with',
  'access.refused': 'a person was refused: the role is missing, or the thing is not there for them',
} as const;
export type AuditAction = keyof typeof auditActions;

export const auditActionSchema = z.enum(Object.keys(auditActions) as [AuditAction, ...AuditAction[]]);

/** `member` acts in an organization, `person` on the instance, `machine` is a workspace's proxy, `system` Berth itself, `anonymous` somebody who proved nothing. */
export const auditActorSchema = z.object({
  type: z.enum(['member', 'person', 'machine', 'system', 'anonymous']),
  id: z.string().nullable(),
  /** As it was then. */
  name: z.string().nullable(),
  /** The API key by which they acted; null for a session. */
  apiKeyId: z.string().nullable(),
});
export type AuditActor = z.infer<typeof auditActorSchema>;

export const auditSubjectSchema = z.object({
  type: z.enum([
    'instance',
    'organization',
    'member',
    'person',
    'invitation',
    'external-account',
    'connection',
    'mapping',
    'session',
    'api-key',
    'credential',
    'workspace',
    'message',
    'conversation',
    'route',
    'budget',
    'encryption-key',
    'issuer-key',
    'github-app',
    'integration',
  ]),
  id: z.string().nullable(),
  name: z.string().nullable(),
});
export type AuditSubject = z.infer<typeof auditSubjectSchema>;

/** Facts besides, never a secret and never what a person wrote to an agent. Whole numbers only: their JSON is the same everywhere. */
export const auditDetailsSchema = z.record(
  z.string(),
  z.union([z.string(), z.int(), z.boolean(), z.null(), z.array(z.string())]),
);
export type AuditDetails = z.infer<typeof auditDetailsSchema>;

/** An entry, exactly as it is hashed (src/kernel/audit-chain.ts says how). */
export const auditEntrySchema = z.object({
  chain: z.uuid(),
  seq: z.int(),
  at: timeSchema,
  action: auditActionSchema,
  actor: auditActorSchema,
  subject: auditSubjectSchema.nullable(),
  details: auditDetailsSchema,
  /** Of the request that caused it, also where a job did it; null for what Berth does by itself. */
  requestId: z.string().nullable(),
  previousHash: z.string(),
  hash: z.string(),
});
export type AuditEntryView = z.infer<typeof auditEntrySchema>;

export const auditHeadSchema = z.object({ chain: z.uuid(), seq: z.int(), hash: z.string() });

const auditQuery = pageQuerySchema.extend({
  order: z.enum(['newest', 'oldest']).default('newest'),
  action: auditActionSchema.optional(),
  /** Id of who acted: a member, a person, or a workspace whose proxy did. */
  actor: z.string().min(1).max(100).optional(),
  /** Id of what it was done to. */
  subject: z.string().min(1).max(100).optional(),
  since: timeSchema.optional(),
  until: timeSchema.optional(),
});
export type AuditQuery = z.output<typeof auditQuery>;

/** A head that was seen earlier and kept elsewhere: with it even a chain that was written anew as a whole is found out. */
const anchorQuery = z
  .strictObject({
    seq: z.coerce.number().int().min(1).optional(),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
      .optional(),
  })
  .refine(({ seq, hash }) => (seq === undefined) === (hash === undefined), {
    error: 'seq and hash belong together',
  });
export type AnchorQuery = z.output<typeof anchorQuery>;

export const auditVerdictSchema = z.object({
  holds: z.boolean(),
  /** Entries that were read and found good. */
  entries: z.int(),
  /** Keep it somewhere else, and give it back as `?seq=&hash=` next time. */
  head: auditHeadSchema.nullable(),
  fault: z
    .object({
      seq: z.int(),
      problem: z.enum([
        'malformed',
        'foreign',
        'missing',
        'out-of-order',
        'changed',
        'unlinked',
        'beyond-head',
        'head-differs',
        'anchor-differs',
      ]),
      message: z.string(),
    })
    .nullable(),
});
export type AuditVerdict = z.infer<typeof auditVerdictSchema>;

const ofOrganization = '/api/v1/organizations/{org}/audit';
const ofInstance = '/api/v1/instance/audit';

const listAnswer = { status: 200, body: listOf(auditEntrySchema) } as const;
const verdictAnswer = { status: 200, body: auditVerdictSchema } as const;
/** One entry per line in its canonical JSON, then `{"head": …}`; what a line says is what was hashed. */
const exportAnswer = { status: 200, body: z.string(), contentType: 'application/jsonl' } as const;

export const listAuditRoute = route({
  method: 'GET',
  path: ofOrganization,
  access: 'admin',
  summary: 'Who did what in the organization, newest first',
  params: organizationParams,
  query: auditQuery,
  answer: listAnswer,
});

export const verifyAuditRoute = route({
  method: 'GET',
  path: `${ofOrganization}/verification`,
  access: 'admin',
  summary: 'Whether the audit log is as it was written; names the first bad entry',
  params: organizationParams,
  query: anchorQuery,
  answer: verdictAnswer,
});

export const exportAuditRoute = route({
  method: 'GET',
  path: `${ofOrganization}/export`,
  access: 'admin',
  summary: 'The whole audit log as JSON lines, to be kept and verified elsewhere',
  params: organizationParams,
  answer: exportAnswer,
});

export const listInstanceAuditRoute = route({
  method: 'GET',
  path: ofInstance,
  access: 'instance-administrator',
  summary:
    'Who did what on this Berth outside of any organization: set-up, sign-in, keys, organizations founded',
  query: auditQuery,
  answer: listAnswer,
});

export const verifyInstanceAuditRoute = route({
  method: 'GET',
  path: `${ofInstance}/verification`,
  access: 'instance-administrator',
  summary: 'Whether the audit log of the instance is as it was written; names the first bad entry',
  query: anchorQuery,
  answer: verdictAnswer,
});

export const exportInstanceAuditRoute = route({
  method: 'GET',
  path: `${ofInstance}/export`,
  access: 'instance-administrator',
  summary: 'The whole audit log of the instance as JSON lines',
  answer: exportAnswer,
});
