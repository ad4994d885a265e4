import { z } from 'zod';
import type { LinearActivity, LinearOrganization, LinearSession } from './linear-world.js';

const body = z.string().min(1);
/** linear.md 2: content is untyped JSON that the server checks. `prompt` is written by people only. */
const contentSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('thought'), body }),
  z.strictObject({ type: z.literal('elicitation'), body }),
  z.strictObject({ type: z.literal('response'), body }),
  z.strictObject({ type: z.literal('error'), body }),
  z.strictObject({
    type: z.literal('action'),
    action: z.string().min(1),
    parameter: z.string(),
    result: z.string().nullish(),
  }),
]);
const authSchema = z.strictObject({
  url: z.url(),
  userId: z.string().optional(),
  providerName: z.string().optional(),
});
const selectSchema = z.strictObject({
  options: z.array(z.strictObject({ label: z.string().optional(), value: z.string() })).min(1),
});

export interface ActivityInput {
  agentSessionId: string;
  content: unknown;
  ephemeral?: boolean | null;
  signal?: string | null;
  signalMetadata?: unknown;
  id?: string | null;
}

/** Why an activity is none; null when it is one. */
export function wrongIn(input: ActivityInput): string | null {
  const content = contentSchema.safeParse(input.content);
  if (!content.success) return `content is not valid: ${content.error.issues[0]?.message ?? ''}`;
  const { type } = content.data;
  if (typeof input.id === 'string' && !z.uuidv4().safeParse(input.id).success) return 'id must be a UUID v4';
  if (input.ephemeral === true && type !== 'thought' && type !== 'action')
    return `an activity of type ${type} cannot be ephemeral`;
  return wrongSignal(input, type);
}

function wrongSignal({ signal, signalMetadata }: ActivityInput, type: string): string | null {
  if (!signal) return (signalMetadata ?? null) === null ? null : 'signalMetadata without a signal';
  if (signal !== 'auth' && signal !== 'select') return `agents cannot send the signal ${signal}`;
  if (type !== 'elicitation') return `the signal ${signal} goes with an elicitation`;
  const schema = signal === 'auth' ? authSchema : selectSchema;
  return schema.safeParse(signalMetadata).success ? null : `signalMetadata is not valid for ${signal}`;
}

const STALE_SECONDS = 30 * 60;

/** linear.md 2: Linear derives it from the last activity; half an hour without one makes it stale. */
export function statusOf(organization: LinearOrganization, session: LinearSession): string {
  const activities = organization.activitiesOf(session.id);
  const last = activities.at(-1);
  const status = last ? after(last, session) : session.externalUrls.length > 0 ? 'active' : 'pending';
  const since = (last?.createdAt ?? session.createdAt).getTime();
  const quietSeconds = (organization.clock.now().getTime() - since) / 1000;
  return quietSeconds > STALE_SECONDS && (status === 'active' || status === 'pending') ? 'stale' : status;
}

function after({ content, signal }: LinearActivity, session: LinearSession): string {
  switch (content.type) {
    case 'response':
      return 'complete';
    case 'error':
      return 'error';
    case 'elicitation':
      return 'awaitingInput';
    case 'prompt':
      if (signal === 'stop') return 'stopping';
      return session.firstSignAt ? 'active' : 'pending';
    default:
      return 'active';
  }
}
