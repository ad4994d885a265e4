import { z } from 'zod';

/** Sessions, the ones changed last first, and what people wrote there last. So many that the answer stays well under Linear's most for one query (10,000 points). */
export const SESSIONS = `query sessions($after: String) {
  agentSessions(first: 25, after: $after, orderBy: updatedAt) {
    nodes {
      id url createdAt updatedAt sourceMetadata
      appUser { id }
      creator { id name email }
      comment { id body }
      issue { id identifier title description url team { id key } }
      activities(first: 50, orderBy: createdAt, filter: { type: { eq: "prompt" } }) {
        nodes {
          id createdAt signal
          user { id name email }
          sourceComment { id }
          content { ... on AgentActivityPromptContent { body } }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`;

const personSchema = z.object({ id: z.string(), name: z.string().nullish(), email: z.string().nullish() });

const promptSchema = z.object({
  id: z.string(),
  createdAt: z.coerce.date(),
  signal: z.string().nullish(),
  user: personSchema.nullish(),
  sourceComment: z.object({ id: z.string() }).nullish(),
  content: z.object({ body: z.string().nullish() }).nullish(),
});

const sessionSchema = z.object({
  id: z.string(),
  url: z.string().nullish(),
  createdAt: z.coerce.date(),
  updatedAt: z.coerce.date(),
  sourceMetadata: z.unknown(),
  appUser: z.object({ id: z.string() }),
  creator: personSchema.nullish(),
  comment: z.object({ id: z.string().nullish(), body: z.string().nullish() }).nullish(),
  issue: z.record(z.string(), z.unknown()).nullish(),
  activities: z.object({ nodes: z.array(promptSchema) }),
});
export type OpenSession = z.output<typeof sessionSchema>;
type Prompt = z.output<typeof promptSchema>;

export const sessionsSchema = z.object({
  agentSessions: z.object({
    nodes: z.array(sessionSchema),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() }),
  }),
});

/** Something that Linear told, or should have, in the form of its webhook. */
export interface Missable {
  /** The key of what it asks for: by it one knows whether it was heard. */
  key: string;
  action: 'created' | 'prompted';
  body: Record<string, unknown>;
}

/** Whom Linear would tell. */
interface Self {
  /** Linear's. */
  organizationId: string;
  appUserId: string;
}

/** So soon after a session began a prompt may be what began it, once more. */
const FIRST_PROMPT_MS = 10_000;

const metadataSchema = z.object({ agentSessionMetadata: z.object({ sourceCommentId: z.string() }) });

/**
 * What began a session is written there once more as its first prompt: not to be heard twice. It is known by the comment it comes from, or by its words; of a prompt that comes from no comment only the time
 * tells.
 */
function isBeginning(session: OpenSession, { createdAt, sourceComment, content }: Prompt): boolean {
  if (createdAt.getTime() - session.createdAt.getTime() > FIRST_PROMPT_MS) return false;
  if (!sourceComment) return true;
  const { comment, sourceMetadata } = session;
  const source = metadataSchema.safeParse(sourceMetadata).data?.agentSessionMetadata.sourceCommentId;
  const isSameWord = (content?.body ?? '').trim() === (comment?.body ?? '').trim();
  return [comment?.id, source].includes(sourceComment.id) || isSameWord;
}

/** What people asked for in these sessions since, as webhooks would have told it, the oldest first. Of other apps' sessions nothing. */
export function missableIn(
  sessions: readonly OpenSession[],
  { since, before, self }: { since: Date; before: Date; self: Self },
): Missable[] {
  return sessions
    .filter(({ appUser }) => appUser.id === self.appUserId)
    .flatMap((session) => eachIn(session, self))
    .filter(({ at }) => at >= since && at < before)
    .sort((one, other) => one.at.getTime() - other.at.getTime())
    .map(({ at: _, ...missable }) => missable);
}

function eachIn(whole: OpenSession, self: Self): (Missable & { at: Date })[] {
  const { activities, appUser: _appUser, ...session } = whole;
  const head = { type: 'AgentSessionEvent', ...self, agentSession: session };
  const prompts = activities.nodes.filter((prompt) => !isBeginning(whole, prompt));
  return [
    {
      key: `session/${session.id}`,
      action: 'created',
      at: session.createdAt,
      body: { ...head, action: 'created' },
    },
    ...prompts.map((activity) => ({
      key: `activity/${activity.id}`,
      action: 'prompted' as const,
      at: activity.createdAt,
      body: { ...head, action: 'prompted', agentActivity: activity },
    })),
  ];
}
