import { z } from 'zod';
import { seenSchema } from '../../contracts/index.js';

const text = seenSchema();
/** What the turn pushed last, and where. */
const pushed = z.object({ branch: text, commit: text }).optional();

/** What can be said in a conversation, in words of Berth's; how it looks there is its integration's. */
export const replyContentSchema = z.discriminatedUnion('type', [
  /** Berth has seen what somebody wrote. Said within seconds, before anything that waits. */
  z.object({ type: z.literal('seen') }),
  z.object({
    type: z.literal('started'),
    workspaceUrl: text,
    /** `owner/name`, or an address. */
    repository: text,
    agent: text,
    /** As whom it works. */
    member: text,
  }),
  /** What the agent does. Of those that wait one after another only the last one is said. */
  z.object({
    type: z.literal('progress'),
    text,
    tool: z.object({ name: text, parameter: text, result: text.optional() }).optional(),
  }),
  z.object({ type: z.literal('answer'), text, pushed }),
  z.object({ type: z.literal('failed'), text, pushed }),
  z.object({ type: z.literal('stopped'), text, pushed }),
  /** The workspace sleeps, which is no failure: it wakes when it is written to. */
  z.object({ type: z.literal('asleep') }),
  z.object({
    type: z.literal('authentication'),
    state: z.enum(['reauthenticating', 'restored', 'failed']),
    text,
  }),
  /** Nobody of the organization is known to be this person: their personal link. */
  z.object({
    type: z.literal('connect'),
    url: text,
    person: z.object({ externalId: text, handle: text.nullable() }),
  }),
  z.object({
    type: z.literal('choose'),
    question: text,
    options: z.array(z.object({ label: text, value: text })),
  }),
  z.object({ type: z.literal('refused'), text }),
  /** Nothing more is done there for now: the one thing that is said in a paused conversation. */
  z.object({ type: z.literal('paused'), text }),
  z.object({
    type: z.literal('pull-request'),
    url: text,
    number: z.int(),
    title: text,
    /** It was there before, and has got new commits. */
    updated: z.boolean(),
  }),
  z.object({ type: z.literal('plan'), items: z.array(z.object({ content: text, status: text })) }),
]);
export type ReplyContent = z.output<typeof replyContentSchema>;

/** With these something ends, and others see it. */
export const endTypes: ReplyContent['type'][] = [
  'answer',
  'failed',
  'stopped',
  'refused',
  'choose',
  'connect',
];

/** What of the conversation a reply is to: the comment that asked, where it is not to the whole. */
export const replyAboutSchema = z.object({
  /** The meaning key of the ask. */
  askKey: text.optional(),
  commentId: text.optional(),
  /** Which of the system's kinds of comment that is, in its integration's words. */
  commentKind: text.optional(),
});
export type ReplyAbout = z.output<typeof replyAboutSchema>;

/** Where what is kept of an ask says what of the conversation it is about. */
const decisionSchema = z.object({ about: replyAboutSchema.default({}) });

/** What an answer to an ask is to, by what is kept of it. */
export function aboutOf(decision: unknown, askKey: string): ReplyAbout {
  return { ...decisionSchema.safeParse(decision).data?.about, askKey };
}

/** As the row keeps it. */
export const storedReplySchema = z.object({ content: replyContentSchema, about: replyAboutSchema });
export type StoredReply = z.output<typeof storedReplySchema>;
