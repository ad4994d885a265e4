import { z } from 'zod';

/** What is needed to answer in a session; the conversation's row keeps it. */
export const linearSubjectSchema = z.object({
  sessionId: z.string(),
  issueId: z.string(),
  issueIdentifier: z.string(),
  teamId: z.string().nullable(),
  appUserId: z.string(),
  /** Begun by a delegation: whose the issue is now is for people to say. */
  isDelegated: z.boolean().default(false),
  /** As whom Berth is called there. */
  appUserName: z.string(),
});
export type LinearSubject = z.output<typeof linearSubjectSchema>;

/** What is kept of what was made there. */
export const linearMadeSchema = z.object({
  /** The last thing that was said ended the session for Linear. */
  isOver: z.boolean().default(false),
  /** In which words it was said to be stopped, where nothing was said since. */
  stopped: z.string().nullable().default(null),
});
