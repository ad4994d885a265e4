import { z } from 'zod';

const said = z.object({ body: z.string() });
/** By event, what of it may hold a mention. */
const WORDS: Record<string, string> = {
  issue_comment: 'comment',
  pull_request_review_comment: 'comment',
  pull_request_review: 'review',
  issues: 'issue',
  pull_request: 'pull_request',
};
/** What changes what Berth may do there. */
const OF_THE_APP = /^(installation|github_app|repository$)/;

/** True for what cannot ask for work, nor change what Berth may do: it can wait for what may. A mention is read later and with care; nothing without an `@` is one. */
export function isNews(event: string, body: Record<string, unknown>): boolean {
  const holder = Object.hasOwn(WORDS, event) ? WORDS[event] : undefined;
  if (holder === undefined) return !OF_THE_APP.test(event);
  const found = said.safeParse(body[holder]);
  return !found.success || !found.data.body.includes('@');
}
