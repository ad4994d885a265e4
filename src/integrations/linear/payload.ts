import { z } from 'zod';

/** What Linear sends, read leniently: recordings had fields that no type knows, and lacked some that it calls required (linear.md 2). Only what is used is wanted. */
const text = z.string();
const maybe = text.nullish();
/** Null where it is not there, or is none: then nothing is put in order by it. */
const time = z.coerce
  .date()
  .nullish()
  .catch(null)
  .transform((at) => at ?? null);

const personSchema = z.object({ id: text, name: maybe, email: maybe });

const issueSchema = z.object({
  id: text,
  identifier: maybe,
  title: maybe,
  description: maybe,
  url: maybe,
  team: z.object({ id: text, key: text }).nullish(),
});

export const sessionEventSchema = z.object({
  organizationId: text,
  appUserId: text,
  agentSession: z.object({
    id: text,
    createdAt: time,
    url: maybe,
    creatorId: maybe,
    creator: personSchema.nullish(),
    issueId: maybe,
    issue: issueSchema.nullish(),
    /** The first of the thread that the session has. */
    comment: z.object({ id: maybe, body: maybe, userId: maybe }).nullish(),
    /** The one that it was begun by, where that stands in another thread. */
    sourceCommentId: maybe,
    sourceMetadata: z
      .object({
        type: maybe,
        agentSessionMetadata: z.object({ sourceCommentId: maybe }).nullish().catch(null),
      })
      .nullish(),
  }),
  agentActivity: z
    .object({
      id: text,
      createdAt: time,
      // The guide says `body`; schema and recordings have it in `content` (linear.md 2).
      content: z.object({ type: maybe, body: maybe }).nullish(),
      signal: maybe,
      userId: maybe,
      user: personSchema.nullish(),
    })
    .nullish(),
  previousComments: z.array(z.object({ body: maybe })).nullish(),
  guidance: z.array(z.object({ body: maybe })).nullish(),
});
export type SessionEvent = z.output<typeof sessionEventSchema>;

export const issueEventSchema = z.object({
  data: z.object({ id: text, delegateId: maybe }),
  updatedFrom: z.object({ delegateId: maybe }).nullish(),
});

export const notificationSchema = z.object({
  notification: z.object({ issueId: maybe, issue: z.object({ id: text }).nullish() }),
});

export const teamAccessSchema = z.object({ removedTeamIds: z.array(text).default([]) });
