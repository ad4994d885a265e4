import { z } from 'zod';

/** What is needed to answer in a session; the conversation's row keeps it. */
export const linearSubjectSchema = z.object({
  sessionId: z.string(),
  issueId: z.string(),
  issueIdentifier: z.string(),
  teamId: z.string().nullable(),
  appUserId: z.string(),
  /** As whom Berth is called there. */
  appUserName: z.string(),
});
export type LinearSubject = z.output<typeof linearSubjectSchema>;

/** What is kept of what was made there. `isOver`: the last thing that was said ended the session for Linear. */
export const linearMadeSchema = z.object({ isOver: z.boolean().default(false) });
